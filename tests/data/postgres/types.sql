create type mood as enum ('sad', 'it''s, ok');
create type pair as (a int, b text);
create domain posint as int check (value > 0);
create domain tag as varchar(5);
create domain tags as text[];
create type span as range (subtype = float8);
create table t (id int primary key,
  b bool, i2 int2, i8 int8, o oid, f4 float4, f8 float8, n numeric, n2 numeric(10,2), tx text, vc varchar(20), bp char(5),
  nm name, ch "char", ba bytea, uu uuid, js json, jb jsonb, d date, ti time, tt timetz, ts timestamp, tz timestamptz,
  iv interval, mo mood, pa pair, po posint, tg tag, m money, bi bit(5), vb varbit, ip inet, sp span, xm xml, x8 xid8);
create table a (id int primary key, i int[], t text[], n numeric[], z timestamptz[], ba bytea[], j jsonb[], mo mood[],
  pa pair[], po posint[], tg tag[], bx box[], d date[], bo bool[], iv int2vector, dt tags, f8 float8[]);
-- recorded from here
insert into t values (1, true, -32768, 9223372036854775807, 4294967295, 1e-45, 0.1::float8 + 0.2, '-0.00', 10000000, 'a''b"c\d',
  'é', 'ab', 'nm', 'x', '\x00ff5c', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{"a": 1,  "a":2}', '{"b":12345678901234567890.10}',
  '2024-02-29', '24:00:00', '23:59:59.5+02', '2024-02-29 12:00:00.5', '2024-02-29 12:00:00.5+02', '1 mon -1 days',
  'it''s, ok', '(1,"x,y")', 7, 'tag', '-12.34', b'10101', b'', '2001:db8::1/64', '[1,2)', '<a/>', '18446744073709551615');;
insert into t (id, f4, f8, n, d, ts, tz, tx) values
  (2, 'NaN', '-Infinity', 'NaN', 'infinity', '-infinity', 'infinity', ''),
  (3, 1e20, -0.0, 'Infinity', '0044-03-15 BC', '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00+00 BC', 'NULL'),
  (4, 3.4028235e38, 1.7976931348623157e308, 1e20, '5874897-12-31', '294276-12-31 23:59:59.999999', '0001-01-01 00:00:00+00', null);;
insert into t (id) values (5);;
insert into a values (1, '{1,NULL,-3}', '{a,"NULL",NULL,"q\"\\x","a,b",""," s "}', '{1.50,NaN}', '{"2024-02-29 12:00:00+00",infinity}',
  '{"\\x00ff","\\x"}', array['{"a": "b"}'::jsonb, 'null', null], '{"it''s, ok",sad}', array[row(1,'x,"y')::pair], '{1,2}', '{ab,NULL}',
  '{(1,1),(0,0);(2,2),(1,1)}', '{2024-01-01,"0044-03-15 BC"}', '{t,f,NULL}', '1 2 3', '{"x y",z}', '{1,0.5,NaN}');;
insert into a (id, i, t, n) values (2, '[0:2]={1,NULL,3}', '[-1:0][2:3]={{a,b},{c,d}}', '{}');;
insert into a (id, i, t) values (3, '{{{1,2},{3,4}},{{5,6},{7,8}}}', '{{"a,b",NULL},{"NULL","q\"\\x"}}');;
