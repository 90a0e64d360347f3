CREATE TABLE t (id int PRIMARY KEY, a int, b text DEFAULT 'dflt', c numeric(8,2), d date, e bool NOT NULL DEFAULT false);
CREATE TABLE u (x int, y text, z timestamptz DEFAULT '2020-01-01 00:00+00', PRIMARY KEY (x, y));
CREATE TABLE h (k int, v text);
INSERT INTO t VALUES (1, 10, 'one', 1.005, '2024-01-01', true);
INSERT INTO t (id) VALUES (2);
INSERT INTO t (id, b, a) VALUES (3, NULL, 30), (4, DEFAULT, 40), (5, 'five', DEFAULT);
INSERT INTO t DEFAULT VALUES;
INSERT INTO t (id, c) SELECT n, n / 3.0 FROM generate_series(6, 10) n;
INSERT INTO t (id, a) VALUES (11, '110'), (12, 12.5), (13, 13.4::float8);
INSERT INTO t (id, d) VALUES (14, '2024-02-30');
INSERT INTO t (id, d) VALUES (14, now());
INSERT INTO t (id, e) VALUES (15, 'yes') RETURNING id, e, b AS renamed, id * 2, *;
INSERT INTO t (id) VALUES (1);
INSERT INTO t (id, nope) VALUES (16, 1);
INSERT INTO t (id, id) VALUES (16, 1);
INSERT INTO t (id, a) VALUES (16);
INSERT INTO t (id, a) VALUES (16, 1, 2);
INSERT INTO t (id, a) VALUES (16, 1), (17);
INSERT INTO t (id, a) VALUES (16, 'x');
INSERT INTO t (id, a) VALUES (16, true);
INSERT INTO t (id, a) VALUES (16, '2020-01-01'::date);
INSERT INTO t (id, c) VALUES (16, 1234567.89);
INSERT INTO t (id, e) VALUES (16, NULL);
INSERT INTO nope VALUES (1);
INSERT INTO t AS tt (id, a) VALUES (20, 1) ON CONFLICT (id) DO UPDATE SET a = tt.a + excluded.a RETURNING tt.*;
INSERT INTO t AS tt (id, a) VALUES (20, 5) ON CONFLICT (id) DO UPDATE SET a = tt.a + excluded.a RETURNING tt.*;
INSERT INTO t (id, a) VALUES (20, 5), (21, 6) ON CONFLICT DO NOTHING RETURNING id;
INSERT INTO t (id, a) VALUES (20, 7) ON CONFLICT (id) DO UPDATE SET a = excluded.a WHERE t.a > 100;
INSERT INTO t (id, a) VALUES (20, 7) ON CONFLICT (id) DO UPDATE SET (a, b) = (excluded.a, 'pair') WHERE t.a < 100 RETURNING a, b;
INSERT INTO t (id, a) VALUES (20, 7) ON CONFLICT (a) DO NOTHING;
INSERT INTO t (id, a) VALUES (20, 7) ON CONFLICT ON CONSTRAINT t_pkey DO UPDATE SET b = DEFAULT RETURNING b;
INSERT INTO t (id, a) VALUES (20, 7) ON CONFLICT ON CONSTRAINT nope DO NOTHING;
-- differs: position (ours is the name, PostgreSQL's the parenthesis)
INSERT INTO t (id, a) VALUES (20, 7) ON CONFLICT (nope) DO NOTHING;
INSERT INTO t (id, a) VALUES (22, 1), (22, 2) ON CONFLICT DO NOTHING;
INSERT INTO t (id, a) VALUES (23, 1), (23, 2) ON CONFLICT (id) DO UPDATE SET a = 5;
INSERT INTO t (id, a) VALUES (20, 7) ON CONFLICT DO UPDATE SET a = 1;
SELECT * FROM t ORDER BY id;
WITH n AS (SELECT 40 AS i, 'forty' AS s) INSERT INTO t (id, b) SELECT i, s FROM n RETURNING id, b;
INSERT INTO t (id, b) WITH n AS (SELECT 41 AS i, 'f1' AS s) SELECT i, s FROM n RETURNING id, b;
INSERT INTO t (id, b) (SELECT 42, 'x' UNION SELECT 43, 'y') RETURNING id, b;
INSERT INTO t (id, b) TABLE h;
INSERT INTO t (id, b) VALUES (44, (SELECT max(b) FROM t)) RETURNING b;
INSERT INTO u VALUES (1, 'a'), (1, 'b'), (2, 'a');
INSERT INTO u VALUES (1, 'a');
INSERT INTO u VALUES (1, 'c', NULL), (3, 'a', '2021-05-05 12:00:00+02') RETURNING *;
INSERT INTO h VALUES (1, 'x'), (1, 'x'), (2, NULL), (NULL, 'n');
SELECT * FROM h ORDER BY k, v;
UPDATE h SET v = v || '!' WHERE k = 1;
UPDATE h SET v = 'null' WHERE v IS NULL RETURNING *;
UPDATE h SET k = k + 1 RETURNING h.k, h.v;
UPDATE t SET a = a + 1 WHERE id < 4 RETURNING id, a;
UPDATE t SET a = DEFAULT, b = DEFAULT WHERE id = 3 RETURNING *;
UPDATE t SET (a, b) = (100, 'hundred') WHERE id = 4 RETURNING *;
UPDATE t SET (a, b) = (SELECT 101, 'sub') WHERE id = 4 RETURNING *;
UPDATE t SET (a, b) = ROW(102, 'row') WHERE id = 4 RETURNING *;
UPDATE t SET (a, b) = (SELECT 1, '2' WHERE false) WHERE id = 4 RETURNING *;
UPDATE t SET (a, b) = (SELECT 1, 2, 3) WHERE id = 4;
UPDATE t SET (a, b) = (1, 2, 3) WHERE id = 4;
UPDATE t SET a = (SELECT count(*) FROM u WHERE u.x = t.id) WHERE id < 4 RETURNING id, a;
UPDATE t SET a = u.x * 100 FROM u WHERE u.x = t.id AND u.y = 'a' RETURNING t.id, t.a, u.y;
UPDATE t AS q SET a = v.n FROM (VALUES (1, 11), (2, 22)) v(i, n) WHERE q.id = v.i RETURNING q.id, q.a, v.*;
UPDATE t SET id = id + 1000 WHERE id = 1 RETURNING id;
UPDATE t SET id = 2 WHERE id = 3;
UPDATE t SET id = NULL WHERE id = 3;
UPDATE t SET nope = 1;
UPDATE t SET a = 1, a = 2;
UPDATE t SET a = 'x';
UPDATE t SET a = 1 WHERE a = 'x';
UPDATE t SET t.a = 1;
UPDATE nope SET a = 1;
UPDATE t SET e = 1;
UPDATE t SET a = 1 WHERE a;
UPDATE t SET a = sum(a);
UPDATE t SET a = 1 FROM t AS o WHERE o.id = t.id AND t.id = 2 RETURNING t.id, o.a;
UPDATE t SET a = 1 FROM t WHERE false;
WITH big AS (SELECT id FROM t WHERE id > 40) UPDATE t SET b = 'big' WHERE id IN (SELECT id FROM big) RETURNING id;
UPDATE u SET x = x + 10, y = y || '_' RETURNING x, y;
UPDATE u SET x = 5, y = 'same';
DELETE FROM u WHERE x = 11 RETURNING *;
DELETE FROM u USING t WHERE t.id = u.x RETURNING u.x, t.b;
DELETE FROM t USING (VALUES (2), (4)) v(i) WHERE t.id = v.i RETURNING t.id, v.i;
DELETE FROM t AS d WHERE d.id > 40 AND EXISTS (SELECT 1 FROM t WHERE t.id = d.id - 1) RETURNING d.id;
DELETE FROM t WHERE id = 12345;
DELETE FROM t WHERE nope = 1;
DELETE FROM nope;
WITH gone AS (DELETE FROM t WHERE id = 20 RETURNING *) SELECT count(*), max(id) FROM gone;
WITH gone AS (DELETE FROM h RETURNING *) SELECT count(*), (SELECT count(*) FROM h) FROM gone;
WITH moved AS (DELETE FROM t WHERE id = 21 RETURNING id, b) INSERT INTO h SELECT id, b FROM moved RETURNING *;
WITH i AS (INSERT INTO h VALUES (77, 'seven') RETURNING k), j AS (UPDATE t SET a = 77 WHERE id = 6 RETURNING id) SELECT * FROM i, j;
SELECT * FROM h ORDER BY k;
SELECT * FROM u ORDER BY x, y;
SELECT * FROM t ORDER BY id;
DELETE FROM t;
SELECT count(*) FROM t;
INSERT INTO h (k, v) VALUES ($1, 2);
INSERT INTO h VALUES (1, 2) RETURNING nope;
INSERT INTO h SELECT 1, 2, 3;
INSERT INTO h (SELECT 1);
CREATE TABLE g (a int, b int DEFAULT 5, CONSTRAINT b_pos CHECK (b > 0 OR a IS NULL), UNIQUE (a, b));
INSERT INTO g VALUES (1, -1);
INSERT INTO g VALUES (NULL, -1), (NULL, -1), (1, 1) RETURNING *;
INSERT INTO g VALUES (1, 1);
INSERT INTO g VALUES (1, 1) ON CONFLICT (b, a) DO UPDATE SET b = excluded.b + 10 RETURNING *;
INSERT INTO g VALUES (2, 2), (1, 11) ON CONFLICT (a, b) DO NOTHING RETURNING *;
UPDATE g SET b = -5 WHERE a = 2;
COPY g FROM STDIN;
5	5
6	\N
\.
COPY g (a) FROM STDIN (FORMAT csv);
7
8
\.
COPY g FROM STDIN;
x	1
\.
COPY g FROM STDIN;
1
\.
COPY g FROM STDIN;
1	1
\.
COPY g FROM STDIN;
9	-1
\.
SELECT * FROM g ORDER BY a, b;
COPY (SELECT * FROM g ORDER BY a, b) TO STDOUT;
COPY (SELECT a, b::text || ',"' FROM g ORDER BY a, b) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *);
COPY (SELECT E'a\tb\nc\\d\r\b\f\v', NULL, '') TO STDOUT;
COPY (SELECT E'a\tb\nc\\d\r', NULL, '', '\.', ' x ') TO STDOUT CSV;
COPY g (b, nope) TO STDOUT;
-- differs: position (options have none)
COPY g TO STDOUT (FORMAT xml);
COPY g TO STDOUT (DELIMITER 'ab');
-- fields and elements of columns are no targets
create table part (id int primary key, a text, b int, parent int);
update part set a[1] = 'x';
update part set b[1] = 1;
update part set a[1:2] = 'x';
update part set id.a = 1;
update part set part.a = 'x';
update part set zz.a = 1;
insert into part(a[1]) values ('x');
insert into part(id.a) values (1);
insert into part (id, b.c) values (9, 1);
update part set (a[1], b) = ('x', 1);
drop table part;
