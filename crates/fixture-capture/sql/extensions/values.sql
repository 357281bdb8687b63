-- The rows that both ways of capture get: read by the snapshot, then streamed under other keys.
create schema samples;
create table samples.extension_types (like extension_types);
create table samples.extension_vector_arrays (like extension_vector_arrays);
create table samples.extension_big_values (like extension_big_values including storage);

insert into samples.extension_types values (
    1, 'typical', 'POINT(1.5 -2.5)', 'SRID=4326;POINT(13.4 52.5)', 'SRID=3857;LINESTRING ZM(0 0 0 0, 1 2 3 4, -1.5 2e10 0.1 1e-7)',
    'POINT(174.9479 -36.7208)', 'POINT Z(13.4 52.5 34)', 'BOX(0 1,2 3.5)', 'BOX3D(0 1 2,3 4 5.5)',
    array['POINT(1 2)', null, 'SRID=4326;POINT(3 4)']::geometry[], array['POINT(1 2)', null]::geography[],
    '[1,-2.5,0.1]', '[1,2,3]', '[1,-2.5,0.1]', '[1,2,3]', '{1:1.5,3:-2}/5', '{5:0.1}/5',
    '978-0-393-04002-9'
);

insert into samples.extension_types (id, label) values (2, 'null');

insert into samples.extension_types values (
    3, 'empty', 'GEOMETRYCOLLECTION EMPTY', 'SRID=4326;POINT EMPTY', 'SRID=3857;LINESTRING ZM EMPTY', 'POLYGON EMPTY',
    'POINT Z EMPTY', 'BOX(0 0,0 0)', 'BOX3D(0 0 0,0 0 0)', '{}', '{}', '[0]', '[0,0,0]', '[0]', '[0,0,0]', '{}/1', '{}/5',
    '0-393-04002-X'
);

insert into samples.extension_types values (
    4, 'minimum', 'POINT(-1.7976931348623157e308 -5e-324)', 'SRID=4326;POINT(-180 -90)',
    'SRID=3857;LINESTRING ZM(-1e300 -1e300 -1e300 -1e300, -1e-300 -0 0 -0)', 'POINT(-180 -90)', 'POINT Z(-180 -90 -1e300)',
    'BOX(-1e30 -1e30,-1 -1)', 'BOX3D(-1e300 -1e300 -1e300,-1 -1 -1)', array['POINT EMPTY']::geometry[],
    array['POINT EMPTY']::geography[], '[-3.4028235e38,-1e-45,-0]', '[-3.4028235e38,-1.1754944e-38,-1]', '[-65504,-6e-8,-0]',
    '[-65504,-6.1035156e-05,-1]', '{1:-3.4028235e38,2:-1e-45}/2', '{1:-3.4028235e38}/5', null
);

insert into samples.extension_types values (
    5, 'maximum', 'POINT(1.7976931348623157e308 5e-324)', 'SRID=4326;POINT(180 90)',
    'SRID=3857;LINESTRING ZM(1e300 1e300 1e300 1e300, 1e-300 0 0 0)', 'POINT(180 90)', 'POINT Z(180 90 1e300)',
    'BOX(1 1,1e30 1e30)', 'BOX3D(1 1 1,1e300 1e300 1e300)', array['SRID=998999;POINT(1 1)']::geometry[],
    array['SRID=4326;POINT(180 90)']::geography[], '[3.4028235e38,1e-45,16777216]', '[3.4028235e38,1.1754944e-38,1]',
    '[65504,6e-8,0.00006109476]', '[65504,6.1035156e-05,2048]', '{1:3.4028235e38,32767:1e-45}/32767', '{1:1,2:2,3:3,4:4,5:3.4028235e38}/5',
    '0-393-04002-X'
);

insert into samples.extension_vector_arrays values
    (1, 'typical', array['[1,-2.5,0.1]', '[4]']::vector[], array['[1,-2.5,0.1]', '[4]']::halfvec[],
        array['{1:1.5,3:-2}/5', '{1:4}/1']::sparsevec[]),
    (2, 'null', null, null, null),
    (3, 'empty', '{}', '{}', '{}'),
    (4, 'with null', array['[1,2]', null]::vector[], array['[1,2]', null]::halfvec[], array['{1:1}/2', null]::sparsevec[]),
    (5, 'maximum', array['[3.4028235e38]']::vector[], array['[65504]']::halfvec[], array['{32767:3.4028235e38}/32767']::sparsevec[]);

-- Each kind of shape, in two to four dimensions.
insert into samples.extension_types (id, label, c_geometry, c_geography) values
    (6, 'polygon with a hole', 'POLYGON((0 0,10 0,10 10,0 10,0 0),(1 1,2 1,2 2,1 1))', 'POLYGON((0 0,10 0,10 10,0 10,0 0))'),
    (7, 'points', 'SRID=4326;MULTIPOINT Z((0 0 1),(1 2 3))', 'MULTIPOINT((0 0),(1 2))'),
    (8, 'lines', 'MULTILINESTRING M((0 0 1,1 2 3),(4 5 6,7 8 9))', 'MULTILINESTRING((0 0,1 2),(4 5,7 8))'),
    (9, 'polygons', 'SRID=3857;MULTIPOLYGON ZM(((0 0 0 0,1 0 0 0,1 1 1 1,0 0 0 0)))', 'MULTIPOLYGON(((0 0,1 0,1 1,0 0)))'),
    (10, 'a collection of collections', 'GEOMETRYCOLLECTION(POINT(1 2),GEOMETRYCOLLECTION(LINESTRING(0 0,1 1)))',
        'GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))'),
    (11, 'curves', 'CURVEPOLYGON(CIRCULARSTRING(0 0,4 0,4 4,0 4,0 0))', null),
    (12, 'triangles', 'TIN(((0 0 0,0 0 1,0 1 0,0 0 0)))', null),
    (13, 'a surface', 'POLYHEDRALSURFACE(((0 0 0,0 0 1,0 1 1,0 1 0,0 0 0)))', null);

-- More dimensions than 16 bits count.
insert into samples.extension_types (id, label, c_sparsevec) values
    (14, 'wide', '{1:1,2:2}/100000'),
    (15, 'wide, with an element far out', '{1:1,40000:2}/100000');

insert into samples.extension_big_values
select
    n, 'as inserted',
    st_setsrid(st_makeline(array_agg(st_makepoint(i * 1.1, sqrt(i + n)) order by i)), 4326),
    st_setsrid(st_makeline(array_agg(st_makepoint(i * 0.1, 80 / sqrt(i + n)) order by i)), 4326)::geography,
    array_agg(sqrt(i + n)::real order by i)::vector, array_agg(sqrt(i + n)::real order by i)::halfvec,
    (array_agg(sqrt(i + n)::real order by i)::vector)::sparsevec
from generate_series(1, 3) n, generate_series(1, 300) i
group by n;
