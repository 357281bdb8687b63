-- What the connectors find when they start.
insert into extension_types select * from samples.extension_types order by id;
insert into extension_vector_arrays select * from samples.extension_vector_arrays order by id;
insert into extension_big_values select * from samples.extension_big_values where id = 1;
insert into fence values (0);
update audit.event set op = 'r';
