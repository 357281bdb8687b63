-- What the connectors find when they start.
insert into all_types select * from samples.all_types order by id;
insert into big_values select * from samples.big_values where id = 1;

insert into required values (
    'kéy', 1.50, true, 1, 2, 0.5, 1.10, 1.1000, 1.10, 'c', 't', '\x01', '000000000001', '2024-02-29', '01:02:03.004',
    '01:02:03.000004', '01:02:03+02', '2024-02-29 01:02:03.004', '2024-02-29 01:02:03.000004', '2024-02-29 01:02:03+00', '1 day',
    '{}', '<a/>', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.0.0.1', '(1,2)', '[1,2)', 'ok', 'a.b', 'a=>1', '{a}', '{1}'
);
insert into defaulted (plain) values ('by default');
insert into evolving (id, name, amount, obsolete) values (1, 'first', 1.10, 'old'), (2, null, 2.20, null);
insert into keyless values (1, 'one'), (1, 'one'), (2, null);
insert into "Odd Name" values (1, 'a', 'b', 3);
insert into fence values (0);
update audit.event set op = 'r';
