-- What the connectors see happen, in this order.

-- The samples once more, streamed, as rows of one statement.
update samples.all_types set id = id + 100;
insert into all_types select * from samples.all_types order by id;

-- With REPLICA IDENTITY DEFAULT: an update, a key change, deletes.
update all_types set label = 'updated', c_int4 = c_int4 + 1, c_text = null where id = 101;
update all_types set id = 201 where id = 101;
delete from all_types where id = 104;

-- With FULL: every old image in full. A row of the snapshot, streamed rows, a key change.
alter table all_types replica identity full;
update all_types set label = 'updated' where id = 1;
update all_types set c_bool = not c_bool where id in (105, 118);
update all_types set id = 206 where id = 106;
delete from all_types where id in (103, 116);

-- Big values that an update leaves alone, sets to the same value, and changes.
insert into big_values select * from samples.big_values where id in (2, 3) order by id;
update big_values set label = 'left alone' where id = 1;
update big_values set label = 'left alone' where id = 2;
update big_values set label = 'changed', c_text = 'short', c_int4_array = '{1}' where id = 3;
update big_values set id = 12 where id = 2;
delete from big_values where id = 3;
-- 20 kB that do not compress.
insert into big_values (id, label, c_text, c_text_required, c_int4_array_required)
select 4, '20 kB', string_agg(md5(n::text), ''), 'required', '{1}' from generate_series(1, 625) n;
update big_values set label = '20 kB, left alone' where id = 4;
alter table big_values replica identity full;
update big_values set label = 'left alone, with its old image' where id = 1;
delete from big_values where id = 12;

-- Columns that are NOT NULL: their stand-ins in the old image of a delete.
insert into required select 'second', b, c_bool, c_int2, c_int8, c_double, c_numeric, c_numeric_12_4, c_money, c_char, c_text,
    c_bytea, c_bit12, c_date, c_time3, c_time, c_timetz, c_timestamp3, c_timestamp, c_timestamptz, c_interval, c_jsonb, c_xml,
    c_uuid, c_inet, c_point, c_int4range, c_enum, c_ltree, c_hstore, c_text_array, c_int4_array from required;
update required set c_int8 = 3, b = 2.50 where a = 'second';
delete from required where a = 'second';

-- NULL where there is a default.
insert into defaulted values (default, null, null, null, default, null, null, null, null);
insert into defaulted (plain) values (null);
update defaulted set quantity = 4, note = null where id = 1;

-- One transaction over several tables; one that is rolled back.
begin;
insert into keyless values (3, 'in a transaction');
update "Odd Name" set "a.b" = 'ü', "数" = 4;
update defaulted set plain = 'in a transaction' where id = 1;
commit;
begin;
insert into keyless values (4, 'never');
rollback;

-- COPY, and rows that are equal.
copy keyless from stdin;
5	copied
5	copied
6	\N
\.
update keyless set b = 'twice' where a = 5;
delete from keyless where a = 6;

-- A table that changes its shape.
insert into evolving values (3, 'before', 3, 3.30, 'o');
alter table evolving add column added timestamptz(3) default '2024-01-01 00:00:00+00';
insert into evolving (id, name) values (4, 'added');
alter table evolving drop column obsolete;
update evolving set amount = 4.40 where id = 4;
alter table evolving rename column qty to quantity;
insert into evolving (id, name, quantity) values (5, 'renamed', 5);
alter table evolving alter column amount type numeric(14, 4);
insert into evolving (id, amount) values (6, 6.6666);
alter table evolving alter column quantity type bigint;
insert into evolving (id, quantity) values (7, 7777777777);
alter table evolving alter column name type varchar(40);
update evolving set name = 'wider' where id = 1;
alter type mood add value 'late';
alter table evolving add column state mood default 'ok';
insert into evolving (id, state) values (8, 'late');
update evolving set name = 'named' where name is null;
alter table evolving alter column name set not null, alter column name set default '-';
delete from evolving where id = 5;
alter table evolving drop column amount;
alter table evolving add column amount text;
insert into evolving (id, name, amount) values (9, 'another amount', 'a text');

-- Messages, in a transaction and outside of any.
begin;
select pg_logical_emit_message(true, 'app', 'héllo');
insert into keyless values (7, 'beside a message');
commit;
select pg_logical_emit_message(false, 'app', convert_from('\x7b2261223a317d', 'UTF8'));
select pg_logical_emit_message(true, '', '\x00ff'::bytea);

truncate keyless;
insert into keyless values (8, 'after the truncate');
truncate defaulted, required;

insert into fence values (1);
