-- The captured tables of types that PostGIS and pgvector bring.
create extension postgis;
create extension vector;
-- This one comes with PostgreSQL.
create extension isn;

create table extension_types (
    id integer primary key,
    label text,
    c_geometry geometry,
    c_geometry_point geometry(Point, 4326),
    c_geometry_zm geometry(LineStringZM, 3857),
    c_geography geography,
    c_geography_point geography(PointZ, 4326),
    c_box2d box2d,
    c_box3d box3d,
    c_geometry_array geometry[],
    c_geography_array geography[],
    c_vector vector,
    c_vector3 vector(3),
    c_halfvec halfvec,
    c_halfvec3 halfvec(3),
    c_sparsevec sparsevec,
    c_sparsevec5 sparsevec(5),
    c_isbn isbn
);

create table extension_vector_arrays (
    id integer primary key,
    label text,
    c_vector_array vector[],
    c_halfvec_array halfvec[],
    c_sparsevec_array sparsevec[]
);

-- Values that PostgreSQL keeps out of line; `external` is never compressed.
create table extension_big_values (
    id integer primary key,
    label text,
    c_geometry geometry,
    c_geography geography,
    c_vector vector,
    c_halfvec halfvec,
    c_sparsevec sparsevec
) with (toast_tuple_target = 128);

alter table extension_big_values
    alter column c_geometry set storage external,
    alter column c_geography set storage external,
    alter column c_vector set storage external,
    alter column c_halfvec set storage external,
    alter column c_sparsevec set storage external;

-- Its last row is the last change of all.
create table fence (id integer primary key);

select audit.watch(relation::regclass)
from unnest(array['extension_types', 'extension_vector_arrays', 'extension_big_values', 'fence']) as relation;
