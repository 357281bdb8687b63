-- The rows that both ways of capture get: read by the snapshot, then streamed under other keys.
-- Left out: time zones with seconds, which stop Debezium 2.4 (`timetz`).
create schema samples;
create table samples.all_types (like all_types including defaults);
create table samples.big_values (like big_values including storage);

insert into samples.all_types values (
    1, 'typical', true, 12, -345, 6789012345, default, 1.5, -0.1, 0.10, 1234.50,
    123456789012345678901234567890, 123456789012345678.12345678901234567890, 12300, 12.34,
    'abc', 'x', 'Widget', 'some text', 'a_name', 'CiText', '\xdeadbeef00ff', '1', '101010101010',
    '0011', '10101', '2024-02-29', '12:34:56.123456', '12:34:56', '12:34:56.789', '12:34:56.000001',
    '12:34:56.123456+05:30', '12:34:56.5-08', '2024-02-29 12:34:56.123456', '2024-02-29 12:34:56',
    '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.1', '2024-02-29 12:34:56.123456+02',
    '2024-02-29 12:34:56+02', '2024-02-29 12:34:56.78+00', '1 year 2 mons 3 days 04:05:06.789',
    '{"a": 1,  "b":[1,2,null], "a": 1.50}', '{"b":1e5,"a":{"c":"d"},"n":1.10}', '<a b="1">x &amp; y</a>',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.1.2.3/24', '10.1.0.0/16', '08:00:2b:01:02:03',
    '08:00:2b:01:02:03:04:05', '(1.5,-2.5)', '{1,-1,0.5}', '[(0,0),(1,2.5)]', '((2,3),(0,1))',
    '[(0,0),(1,1),(2,0)]', '((0,0),(0,1),(2,0))', '<(1,2.5),3>', '[1,10)', '[1,10]', '[1.10,2.2)',
    '[2024-01-01 00:00:00,2024-01-02 12:00:00.5)', '[2024-01-01 00:00:00+02,2024-01-02 00:00:00+02]',
    '[2024-01-01,2024-01-31]', '{[1,3),[5,9)}', 'ok', 5, 1.250, 'a remark', 4294967295, 'Top.Science.x_1',
    'a=>1, b=>NULL, "c d"=>"e,f"', 'a fat cat:3A', 'fat & (rat | !cat)', '16/B374D848', '18446744073709551615',
    row(7, 'seven'), '{1,NULL,3}', '{1,NULL,3}', '{1,NULL,3}', '{1.5,NULL,-0.1}', '{0.1,NULL,-1e300}',
    '{t,f,NULL}', '{a,"b,c","d\"e",NULL}', '{x,NULL,yz}', '{a,bcd,NULL}', '{1.10,-2.20,NULL}', '{1.10,100,NULL}',
    '{2024-02-29,NULL}', '{12:34:56.000001,NULL}', '{"2024-01-01 00:00:00.000001",NULL}',
    '{"2024-01-01 00:00:00+02",NULL}', '{"1 day",NULL}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL}',
    array['{"a": 1}', null]::json[], array['{"a":1}', null]::jsonb[], '{"\\\\xdead",NULL}', '{10.1.2.3/24,::1,NULL}',
    '{ok,NULL}', '{1,NULL}', array['a=>1', null]::hstore[], '{{1,2},{3,4}}', '{{a,b},{c,NULL}}'
);

insert into samples.all_types (id, label, c_serial) values (2, 'null', 0);

insert into samples.all_types values (
    3, '', false, 0, 0, 0, default, 0, 0, 0, 0, 0, 0, 0, 0, '', '', '', '', '', '', '', '0', '000000000000',
    '', '', '1970-01-01', '00:00:00', '00:00:00', '00:00:00', '00:00:00', '00:00:00+00', '00:00:00+00', 'epoch',
    'epoch', 'epoch', 'epoch', 'epoch', 'epoch', 'epoch', '0', '{}', '[]', '', '00000000-0000-0000-0000-000000000000',
    '0.0.0.0/0', '::/0', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00', '(0,0)', '{1,0,0}', '[(0,0),(0,0)]',
    '((0,0),(0,0))', '((0,0))', '((0,0))', '<(0,0),0>', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', '{}',
    'sad', 1, 0, '', 0, '', '', '', '', '0/0', '0', row(null, null), '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'
);

insert into samples.all_types values (
    4, 'minimum', false, -32768, -2147483648, -9223372036854775808, -2147483648, -3.4028235e38,
    -1.7976931348623157e308, -1e30, -99999999.99, -99999999999999999999999999999999999999,
    -999999999999999999.99999999999999999999, -9999900, '-92233720368547758.08', 'a', '\200', 'a', 'a', 'a', 'a', '\x00', '0',
    '000000000001', '0', '1', '4713-01-01 BC', '00:00:00', '00:00:00', '00:00:00.001', '00:00:00.000001',
    '00:00:00+15:59', '00:00:00+15:59', '4713-01-01 00:00:00 BC', '4713-01-01 00:00:00 BC', '4713-01-01 00:00:00.001 BC',
    '4713-01-01 00:00:00.000001 BC', '4713-01-02 00:00:00+00 BC', '4713-01-02 00:00:00+00 BC',
    '4713-01-02 00:00:00.001+00 BC', '-178000000 years', 'null', 'null', '<a/>', '00000000-0000-0000-0000-000000000001',
    '::', '0.0.0.0/0', '00:00:00:00:00:01', '00:00:00:00:00:00:00:01', '(-1.7976931348623157e308,-1e-300)', '{-1,0,0}',
    '[(-1,-1),(-2,-2)]', '((-1,-1),(-2,-2))', '[(-1,-1)]', '((-1,-1),(-2,-2),(-1,-2))', '<(-1,-1),0>',
    '[-2147483648,0)', '[-9223372036854775808,0)', '[-1e30,-1e-20]', '["4713-01-01 00:00:00 BC",1970-01-01 00:00:00)',
    '["4713-01-02 00:00:00+00 BC",1970-01-01 00:00:00+00)', '["4713-01-01 BC",1970-01-01)', '{[-2147483648,0)}', 'sad', 1,
    -999999999.999, 'a', 0, 'a', 'a=>""', 'a', 'a', '0/1', '1', row(-2147483648, ''), '{-32768}', '{-2147483648}',
    '{-9223372036854775808}', '{-3.4028235e38}', '{-1.7976931348623157e308}', '{f}', '{""}', '{""}', '{""}',
    '{-99999999.99}', '{-1e30}', '{"4713-01-01 BC"}', '{00:00:00}', '{"4713-01-01 00:00:00 BC"}',
    '{"4713-01-02 00:00:00+00 BC"}', '{-178000000 years}', '{00000000-0000-0000-0000-000000000000}', array['null']::json[],
    array['null']::jsonb[], '{""}', '{0.0.0.0}', '{sad}', '{1}', array['']::hstore[], '{{-2147483648}}', '{{""}}'
);

insert into samples.all_types values (
    5, 'maximum', true, 32767, 2147483647, 9223372036854775807, 2147483647, 3.4028235e38,
    1.7976931348623157e308, 1e30, 99999999.99, 99999999999999999999999999999999999999,
    999999999999999999.99999999999999999999, 9999900, '92233720368547758.07', 'abcdefgh', '~',
    repeat('z', 40), repeat('z', 100), repeat('n', 63), repeat('Z', 50), '\xffffffffffffffffffff', '1', '111111111111',
    '1111111111111111111111111111111111111111111111111111111111111111', '11111111111111111111', '9999-12-31',
    '23:59:59.999999', '23:59:59', '23:59:59.999', '23:59:59.999999', '23:59:59.999999-15:59', '23:59:59.999-15:59',
    '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59', '9999-12-31 23:59:59.999', '9999-12-31 23:59:59.999999',
    '9999-12-31 23:59:59.999999+00', '9999-12-31 23:59:59+00', '9999-12-31 23:59:59.999+00', '178000000 years',
    '"s"', '"s"', '<a>z</a>', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
    'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff',
    '(1.7976931348623157e308,1e-300)', '{1,2,3}', '[(1,1),(1e10,1e10)]', '((1e10,1e10),(1,1))', '((1,1),(2,2),(3,1))',
    '((1,1),(2,2),(3,1),(2,0))', '<(1e10,1e10),1e10>', '(,2147483647)', '(,)', '[1e-20,1e30]',
    '[2024-01-01 00:00:00,9999-12-31 23:59:59.999999]', '[2024-01-01 00:00:00+00,9999-12-31 23:59:59.999999+00]',
    '[2024-01-01,9999-12-31]', '{(,)}', 'happy, "really"', 2147483647, 999999999.999, repeat('r', 60), 4294967295,
    (repeat('a.', 30) || 'z')::ltree, 'k=>v', 'z:16383A', 'z', 'FFFFFFFF/FFFFFFFF', '18446744073709551615', row(2147483647, 'z'),
    '{32767}', '{2147483647}', '{9223372036854775807}', '{3.4028235e38}', '{1.7976931348623157e308}', '{t}', '{zz}',
    '{zzzzzzzzzzzzzzzzzzzz}', '{zzzz}', '{99999999.99}', '{1e30}', '{9999-12-31}', '{23:59:59.999999}',
    '{"9999-12-31 23:59:59.999999"}', '{"9999-12-31 23:59:59.999999+00"}', '{178000000 years}',
    '{ffffffff-ffff-ffff-ffff-ffffffffffff}', array['"s"']::json[], array['"s"']::jsonb[], '{"\\\\xffff"}', '{255.255.255.255}',
    '{"happy, \"really\""}', '{2147483647}', array['k=>v']::hstore[], '{{2147483647}}', '{{zz}}'
);

insert into samples.all_types (
    id, label, c_serial, c_real, c_double, c_numeric, c_numeric_10_2, c_numeric_38_20, c_date, c_timestamp,
    c_timestamp0, c_timestamp3, c_timestamptz, c_timestamptz3, c_point, c_numrange, c_tsrange, c_tstzrange, c_daterange,
    c_real_array, c_double_array, c_numeric_array, c_numeric_any_array, c_date_array, c_timestamp_array, c_timestamptz_array
) values (
    6, 'not a number, infinity', default, 'NaN', 'NaN', 'NaN', 'NaN', 'NaN', 'infinity', 'infinity', 'infinity', 'infinity',
    'infinity', 'infinity', '(NaN,Infinity)', '[1,Infinity)', '[2024-01-01 00:00:00,infinity)',
    '[2024-01-01 00:00:00+00,infinity)', '[2024-01-01,infinity)', '{NaN,1}', '{NaN,1}', '{NaN,1}', '{NaN,1}', '{infinity}',
    '{infinity}', '{infinity}'
), (
    7, '-infinity', default, '-Infinity', '-Infinity', null, null, null, '-infinity', '-infinity', '-infinity', '-infinity',
    '-infinity', '-infinity', '(-Infinity,0)', '[-Infinity,1)', '[-infinity,2024-01-01 00:00:00)',
    '[-infinity,2024-01-01 00:00:00+00)', '[-infinity,2024-01-01)', '{Infinity,-Infinity}', '{Infinity,-Infinity}', '{1}',
    '{1}', '{-infinity}', '{-infinity}', '{-infinity}'
);

-- Far from today: before the Gregorian calendar, around its first day, at the ends of the types.
insert into samples.all_types (
    id, label, c_date, c_timestamp, c_timestamp0, c_timestamp3, c_timestamptz, c_interval, c_date_array, c_timestamp_array
) values
    (8, 'the year 1 BC', '0001-12-31 BC', '0001-12-31 23:59:59.999999 BC', '0001-12-31 23:59:59 BC',
        '0001-12-31 23:59:59.999 BC', '0001-12-31 23:59:59.999999+00 BC', '-1 days -00:00:00.000001', '{"0001-12-31 BC"}',
        '{"0001-12-31 23:59:59.999999 BC"}'),
    (9, 'the year 1', '0001-01-01', '0001-01-01 00:00:00', '0001-01-01 00:00:00', '0001-01-01 00:00:00.001',
        '0001-01-01 00:00:00+00', '1 mon -1 days +00:00:01', '{0001-01-01}', '{"0001-01-01 00:00:00"}'),
    (10, 'the day before Gregory', '1582-10-14', '1582-10-14 12:00:00', '1582-10-14 12:00:00', '1582-10-14 12:00:00.5',
        '1582-10-14 12:00:00+00', '-1 years -2 mons', '{1582-10-14}', '{"1582-10-14 12:00:00"}'),
    (11, 'the first day of Gregory', '1582-10-15', '1582-10-15 00:00:00', '1582-10-15 00:00:00', '1582-10-15 00:00:00',
        '1582-10-15 00:00:00+00', '00:00:00.256229', '{1582-10-15}', '{"1582-10-15 00:00:00"}'),
    (12, 'just before 1970', '1969-12-31', '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59', '1969-12-31 23:59:59.999',
        '1969-12-31 23:59:59.999999+00', '-00:00:00.000001', '{1969-12-31}', '{"1969-12-31 23:59:59.999999"}'),
    (13, 'the end of the types', '5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59',
        '294276-12-31 23:59:59.999', '294276-12-31 23:59:59.999999+00', '1000000 days', '{5874897-12-31}',
        '{"294276-12-31 23:59:59.999999"}'),
    (14, 'five digits of a year', '12024-02-29', '12024-02-29 12:34:56.5', '12024-02-29 12:34:56', '12024-02-29 12:34:56.5',
        '12024-02-29 12:34:56.5+00', '290000 years', '{12024-02-29}', '{"12024-02-29 12:34:56.5"}'),
    (15, 'a nanosecond count at its end', '2262-04-11', '2262-04-11 23:47:16.854775', '2262-04-11 23:47:16',
        '2262-04-11 23:47:16.854', '2262-04-11 23:47:16.854775+00', '1 day', '{2262-04-11}', '{"2262-04-12 00:00:00"}');

-- Texts that JSON, arrays and composites have to quote; characters of one to four bytes.
insert into samples.all_types (
    id, label, c_char, c_varchar, c_text, c_citext, c_json, c_jsonb, c_xml, c_hstore, c_domain_text, c_composite,
    c_text_array, c_varchar_array, c_char_array, c_json_array, c_hstore_array, c_text_grid, c_tsvector
) values (
    16, 'Ünïcödé 日本 🎉', 'ü日🎉', 'a''b"c\d', E'tab\tline\nreturn\rbell\x07quote"back\\slash\u2028\u00a0end', 'ÄÖÜ',
    '{"k\"ey": "v\\al\u00fc\ud83c\udf89", "t": "\t"}', '{"k\"ey": "v\\al\u00fc\ud83c\udf89", "🎉": "\n"}',
    E'<a>🎉\n<!-- c --></a>', '"q\"k"=>"b\\\\v", "🎉"=>"日\n本", "null"=>"NULL"', E'\\', row(1, 'a "quoted", (bracketed) \ text'),
    array['', 'NULL', 'null', '{}', '"', '\', 'a b', ' a', E'\n', '🎉', '日本'], array['a,b', '{"x"}'], array['ü', '🎉'],
    array['{"a": "b\"c"}']::json[], array['"a"=>"\"", b=>NULL']::hstore[], array[array['"', '\'], array['🎉', null]], '''it''''s'':1 ''日本'':2'
), (
    17, 'names of nothing', '        ', 'null', 'NULL', '__debezium_unavailable_value', '"__debezium_unavailable_value"',
    '"infinity"', 'NaN', 'a=>"null"', 'infinity', row(null, 'null'), '{"null"}', '{"NULL"}', '{"null"}', array['"null"']::json[],
    array['a=>NULL']::hstore[], '{{"NULL"}}', 'null'
);

insert into samples.all_types (
    id, label, c_real, c_double, c_numeric, c_numeric_10_2, c_numeric_38_20, c_numeric_5_neg2, c_money, c_bit12, c_varbit,
    c_varbit20, c_time, c_time0, c_time3, c_time6, c_timetz, c_interval, c_domain_numeric, c_numeric_array, c_numeric_any_array,
    c_time_array, c_int4_array, c_text_array, c_int4_grid, c_composite, c_daterange, c_tsrange, c_line, c_path
) values
    (18, 'small and trailing', 1.1754944e-38, 5e-324, 1e-20, 0.01, 0.00000000000000000001, 100, 0.01, '000000010000',
        '0000000000000001', '00000000', '24:00:00', '24:00:00', '24:00:00', '24:00:00', '24:00:00+00', '0.000001 seconds', 0.001,
        '{0.00,-0.01,0.10}', '{0,0.00,1e-20}', '{24:00:00,00:00:00}', '[0:2]={1,2,3}', '[5:6]={a,b}', '[-1:0][2:3]={{1,2},{3,4}}',
        row(null, 'x'), '(2024-01-01,2024-01-31)', '(2024-01-01 00:00:00,]', '{0,1,-1}', '((0,0),(1,0),(1,1))'),
    (19, 'negative and long', -0.0, -0.0, -0.00000000000000000001, -0.01, -1.10000000000000000000, -100, -0.01,
        '100000000000', '1000000000000000', '10000000000000000000', '12:00:00', '12:00:00', '12:00:00', '12:00:00', '24:00:00-08',
        '-1 mons +1 days -00:00:00.5', -0.100, '{-0.10}', '{-100,-0.10,12345678901234567890.123456789012345678901234567890}',
        '{12:00:00}', '{1}', '{a}', '{{{1,2}},{{3,NULL}}}', row(-1, null), '[2024-01-01,)', '[2024-01-01 00:00:00,)',
        '{-1.5,2,0}', '[(-0,0)]'),
    (20, 'powers of two and ten', 16777216, 9007199254740993, 100, 255, 128, 12800, 256, '000100000000', '100000000',
        '100000000', '00:00:00.000001', '00:00:01', '00:00:00.001', '00:00:00.999999', '00:30:00+02', '285 years 0.000001 seconds',
        128, '{1.28,-1.29,2.55}', '{128,-129,1000000}', '{00:00:00.000001}', '{}', '{}', '{}', row(0, ''), '(,2024-01-01)',
        '(,2024-01-01 00:00:00)', '{1,1,1}', '[(1e-300,1)]');

-- Each value compresses badly and is longer than the pointer that replaces it.
insert into samples.big_values
select
    n, 'as inserted', noise, noise, noise, noise, decode(noise, 'hex'), json_build_object('a', noise),
    jsonb_build_object('a', noise), xmlelement(name a, noise), noise::ltree, hstore('k', noise),
    to_tsvector('simple', noise), (n || repeat('1234567890', 12) || '.' || repeat('0987654321', 3))::numeric,
    (n || repeat('1234567890', 12) || '.' || repeat('0987654321', 5))::numeric(200, 50),
    (select string_agg(ascii(c)::bit(6)::text, '') from string_to_table(left(noise, 60), null) c)::varbit,
    numrange((n || repeat('1234567890', 6))::numeric, (n || repeat('9234567890', 6))::numeric),
    (select polygon(path('(' || string_agg(format('(%s,%s)', i, i * i), ',') || ')')) from generate_series(1, 4) i),
    row(n::integer, noise)::pair, array_agg(i::smallint), array_agg(i), array_agg(i::bigint), array_agg(i / 8.0::float8), array_agg(i % 2 = 0),
    array_agg('text ' || i), array_agg(('varchar ' || i)::varchar), array_agg(i::char(4)), array_agg((i / 4.0)::numeric(10, 2)), array_agg(date '2024-01-01' + i),
    array_agg(timestamp '2024-01-01' + i * interval '1.000001 s'), array_agg(timestamptz '2024-01-01' + i * interval '1.000001 s'),
    array_agg(md5(i::text)::uuid), array_agg(json_build_object('a', i)), array_agg(jsonb_build_object('a', i)),
    array_agg(int4send(i)), array_agg(inet '10.0.0.0' + i), array_agg('ok'::mood), array_agg(hstore('a', i::text)), noise, array_agg(i)
from (select n, md5(n::text) || md5('x' || n) || md5('y' || n) as noise from generate_series(1, 4) n) row_of,
    generate_series(n, n + 11) i
group by n, noise;
