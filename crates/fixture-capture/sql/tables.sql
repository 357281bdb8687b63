-- The captured tables. Each is watched, so that the source's account of it is complete.
create extension hstore;
create extension ltree;
create extension citext;

create type mood as enum ('sad', 'ok', 'happy, "really"');
create type pair as (a integer, b text);
create domain positive_int as integer check (value > 0);
create domain price as numeric(12, 3);
create domain remark as text;

-- A column for each type, all nullable but the key and the serial.
create table all_types (
    id integer primary key,
    label text,
    c_bool boolean,
    c_int2 smallint,
    c_int4 integer,
    c_int8 bigint,
    c_serial serial,
    c_real real,
    c_double double precision,
    c_numeric numeric,
    c_numeric_10_2 numeric(10, 2),
    c_numeric_38_0 numeric(38, 0),
    c_numeric_38_20 numeric(38, 20),
    c_numeric_5_neg2 numeric(5, -2),
    c_money money,
    c_char char(8),
    c_char1 "char",
    c_varchar varchar(40),
    c_text text,
    c_name name,
    c_citext citext,
    c_bytea bytea,
    c_bit1 bit(1),
    c_bit12 bit(12),
    c_varbit varbit,
    c_varbit20 varbit(20),
    c_date date,
    c_time time,
    c_time0 time(0),
    c_time3 time(3),
    c_time6 time(6),
    c_timetz timetz,
    c_timetz3 timetz(3),
    c_timestamp timestamp,
    c_timestamp0 timestamp(0),
    c_timestamp3 timestamp(3),
    c_timestamp6 timestamp(6),
    c_timestamptz timestamptz,
    c_timestamptz0 timestamptz(0),
    c_timestamptz3 timestamptz(3),
    c_interval interval,
    c_json json,
    c_jsonb jsonb,
    c_xml xml,
    c_uuid uuid,
    c_inet inet,
    c_cidr cidr,
    c_macaddr macaddr,
    c_macaddr8 macaddr8,
    c_point point,
    c_line line,
    c_lseg lseg,
    c_box box,
    c_path path,
    c_polygon polygon,
    c_circle circle,
    c_int4range int4range,
    c_int8range int8range,
    c_numrange numrange,
    c_tsrange tsrange,
    c_tstzrange tstzrange,
    c_daterange daterange,
    c_int4multirange int4multirange,
    c_enum mood,
    c_domain_int positive_int,
    c_domain_numeric price,
    c_domain_text remark,
    c_oid oid,
    c_ltree ltree,
    c_hstore hstore,
    c_tsvector tsvector,
    c_tsquery tsquery,
    c_pg_lsn pg_lsn,
    c_xid8 xid8,
    c_composite pair,
    c_int2_array smallint[],
    c_int4_array integer[],
    c_int8_array bigint[],
    c_real_array real[],
    c_double_array double precision[],
    c_bool_array boolean[],
    c_text_array text[],
    c_varchar_array varchar(20)[],
    c_char_array char(4)[],
    c_numeric_array numeric(10, 2)[],
    c_numeric_any_array numeric[],
    c_date_array date[],
    c_time_array time[],
    c_timestamp_array timestamp[],
    c_timestamptz_array timestamptz[],
    c_interval_array interval[],
    c_uuid_array uuid[],
    c_json_array json[],
    c_jsonb_array jsonb[],
    c_bytea_array bytea[],
    c_inet_array inet[],
    c_enum_array mood[],
    c_domain_array positive_int[],
    c_hstore_array hstore[],
    c_int4_grid integer[][],
    c_text_grid text[][]
);

-- The same in NOT NULL: what a delete writes for columns that its old image does not have.
create table required (
    a text,
    b numeric(10, 2),
    c_bool boolean not null,
    c_int2 smallint not null,
    c_int8 bigint not null,
    c_double double precision not null,
    c_numeric numeric not null,
    c_numeric_12_4 numeric(12, 4) not null,
    -- Nullable: with decimals as text or double, a delete would stop Debezium for want of a stand-in.
    c_money money,
    c_char char(8) not null,
    c_text text not null,
    c_bytea bytea not null,
    c_bit12 bit(12) not null,
    c_date date not null,
    c_time3 time(3) not null,
    c_time time not null,
    c_timetz timetz not null,
    c_timestamp3 timestamp(3) not null,
    c_timestamp timestamp not null,
    c_timestamptz timestamptz not null,
    c_interval interval not null,
    c_jsonb jsonb not null,
    c_xml xml not null,
    c_uuid uuid not null,
    c_inet inet not null,
    c_point point not null,
    c_int4range int4range not null,
    c_enum mood not null,
    c_ltree ltree not null,
    c_hstore hstore not null,
    c_text_array text[] not null,
    c_int4_array integer[] not null,
    -- Of another order than the columns, as keys may be.
    primary key (b, a)
);

-- Columns with defaults that are literals, calls and none at all.
create table defaulted (
    id serial primary key,
    quantity integer default 3,
    note text default 'none',
    price numeric(10, 2) default 9.99,
    flag boolean not null default true,
    day date default '2024-02-29',
    created_at timestamptz default now(),
    token uuid default gen_random_uuid(),
    plain text
);

-- Values that PostgreSQL keeps out of line: `external` is never compressed, and with this target
-- every value of a row over 2 kB goes out that has more bytes than the pointer to it.
create table big_values (
    id integer primary key,
    label text,
    c_text text,
    c_varchar varchar,
    c_citext citext,
    c_domain_text remark,
    c_bytea bytea,
    c_json json,
    c_jsonb jsonb,
    c_xml xml,
    c_ltree ltree,
    c_hstore hstore,
    c_tsvector tsvector,
    c_numeric numeric,
    c_numeric_200_50 numeric(200, 50),
    c_varbit400 varbit(400),
    c_numrange numrange,
    c_polygon polygon,
    c_composite pair,
    c_int2_array smallint[],
    c_int4_array integer[],
    c_int8_array bigint[],
    c_double_array double precision[],
    c_bool_array boolean[],
    c_text_array text[],
    c_varchar_array varchar[],
    c_char_array char(4)[],
    c_numeric_array numeric(10, 2)[],
    c_date_array date[],
    c_timestamp_array timestamp[],
    c_timestamptz_array timestamptz[],
    c_uuid_array uuid[],
    c_json_array json[],
    c_jsonb_array jsonb[],
    c_bytea_array bytea[],
    c_inet_array inet[],
    c_enum_array mood[],
    c_hstore_array hstore[],
    c_text_required text not null,
    c_int4_array_required integer[] not null
) with (toast_tuple_target = 128);

do $$
declare
    name text;
begin
    for name in
        select attname from pg_attribute join pg_type on pg_type.oid = atttypid
        where attrelid = 'big_values'::regclass and attnum > 0 and typlen = -1 and attname like 'c_%'
            and attstorage <> 'p'
    loop
        execute format('alter table big_values alter column %I set storage external', name);
    end loop;
end
$$;

-- A table that is altered while it is captured.
create table evolving (
    id integer primary key,
    name text,
    qty integer default 3,
    amount numeric(8, 2),
    obsolete text
);

-- No key of any kind: records without key.
create table keyless (a integer, b text);
alter table keyless replica identity full;

-- Names that need quoting. The table's is ASCII: Debezium 2.4 does not know another one in the stream again.
create table "Odd Name" ("Key" integer primary key, "a.b" text, "Weird ""Col'umn" text, "数" integer);

-- Its last row is the last change of all.
create table fence (id integer primary key);

select audit.watch(relation::regclass) from unnest(array[
    'all_types', 'required', 'defaulted', 'big_values', 'evolving', 'keyless', '"Odd Name"', 'fence'
]) as relation;
