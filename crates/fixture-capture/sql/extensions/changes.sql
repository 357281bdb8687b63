-- What the connectors see happen, in this order.
update samples.extension_types set id = id + 100;
insert into extension_types select * from samples.extension_types order by id;
update samples.extension_vector_arrays set id = id + 100;
insert into extension_vector_arrays select * from samples.extension_vector_arrays order by id;
update extension_vector_arrays set label = 'updated' where id = 101;
delete from extension_vector_arrays where id = 105;

-- With REPLICA IDENTITY DEFAULT: an update, a key change, deletes.
update extension_types set label = 'updated', c_vector = '[4]', c_geometry = null where id = 101;
update extension_types set id = 201 where id = 101;
delete from extension_types where id = 104;

-- With FULL: every old image in full.
alter table extension_types replica identity full;
update extension_types set label = 'updated' where id in (1, 105);
update extension_types set id = 206 where id = 106;
delete from extension_types where id in (103, 110);

-- Big values that an update leaves alone and changes.
insert into extension_big_values select * from samples.extension_big_values where id in (2, 3) order by id;
update extension_big_values set label = 'left alone' where id in (1, 2);
update extension_big_values set label = 'changed', c_geometry = 'POINT(1 2)', c_vector = '[1]' where id = 3;
delete from extension_big_values where id = 3;
alter table extension_big_values replica identity full;
update extension_big_values set label = 'left alone, with its old image' where id = 1;

-- Messages, in a transaction and outside of any.
select pg_logical_emit_message(true, 'app', 'héllo');
select pg_logical_emit_message(false, 'app', convert_from('\x7b2261223a317d', 'UTF8'));
select pg_logical_emit_message(true, '', '\x00ff'::bytea);

insert into fence values (1);
