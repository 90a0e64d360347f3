-- GENERATED ALWAYS AS (...) STORED (PostgreSQL, chapter 5.3)
CREATE TABLE g (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text DEFAULT 'x', d text GENERATED ALWAYS AS (c || '-' || coalesce(a, 0)) STORED);
INSERT INTO g VALUES (1, 5);
INSERT INTO g (id, a, c) VALUES (2, 6, 'y') RETURNING *;
INSERT INTO g VALUES (3, NULL, DEFAULT, 'z', DEFAULT), (4, 8, DEFAULT, DEFAULT, DEFAULT) RETURNING b, d, g;
INSERT INTO g (id, b) VALUES (5, DEFAULT) RETURNING *;
INSERT INTO g (id, a) SELECT n, n * 10 FROM generate_series(6, 8) n RETURNING *;
INSERT INTO g (id, a) SELECT 9, generate_series(1, 1) RETURNING *;
SELECT * FROM g ORDER BY id;
SELECT id FROM g WHERE b > 15 ORDER BY b DESC, id;
SELECT sum(b), max(d) FROM g;
-- what can't be written
INSERT INTO g VALUES (10, 5, 10);
INSERT INTO g VALUES (10, 5, NULL);
INSERT INTO g (id, b) VALUES (10, 1);
INSERT INTO g (id, d, b) VALUES (10, 'x', 1);
INSERT INTO g (id, b) VALUES (10, DEFAULT), (11, 3);
INSERT INTO g (id, b) VALUES (10, DEFAULT), (11, DEFAULT) RETURNING *;
INSERT INTO g (id, b) SELECT 12, 1;
INSERT INTO g SELECT 12, 1, 2;
INSERT INTO g (id, b) VALUES (10, 'x');
INSERT INTO g (id, b) VALUES (10, 1) RETURNING nope;
INSERT INTO g (id, b) VALUES (10, generate_series(1, 2));
UPDATE g SET b = 1;
UPDATE g SET b = NULL WHERE id = 1;
UPDATE g SET b = b WHERE id = 1;
UPDATE g SET (b, d) = (1, DEFAULT) WHERE id = 1;
UPDATE g SET (b, d) = (DEFAULT, DEFAULT) WHERE id = 1;
UPDATE g SET (a, b) = (SELECT 1, 2) WHERE id = 1;
UPDATE g SET b = 'x';
UPDATE g SET b = 1, nope = 2;
-- what is computed again
UPDATE g SET a = 7, b = DEFAULT WHERE id = 1 RETURNING *;
UPDATE g SET a = a + 1 WHERE id IN (2, 3) RETURNING *;
UPDATE g SET c = 'new' RETURNING id, d;
UPDATE g SET a = n.n FROM (VALUES (6, 60), (7, 70)) n (id, n) WHERE g.id = n.id RETURNING g.*, n.n;
INSERT INTO g (id, a) VALUES (1, 100) ON CONFLICT (id) DO UPDATE SET a = excluded.a + g.a RETURNING *;
INSERT INTO g (id, a) VALUES (1, 100) ON CONFLICT (id) DO UPDATE SET a = excluded.b RETURNING *;
INSERT INTO g (id, a) VALUES (1, 100) ON CONFLICT (id) DO UPDATE SET b = 5;
INSERT INTO g (id, a) VALUES (1, 100) ON CONFLICT (id) DO UPDATE SET b = DEFAULT, a = 3 RETURNING *;
INSERT INTO g (id, b) VALUES (1, 100) ON CONFLICT (id) DO UPDATE SET d = 5;
DELETE FROM g WHERE b = 120 RETURNING *;
WITH w AS (INSERT INTO g (id, a) VALUES (20, 1) RETURNING b) SELECT * FROM w;
-- COPY
COPY g FROM STDIN;
30	3	q
31	\N	\N
\.
COPY g (id, a) FROM STDIN (FORMAT csv);
32,4
33,5
\.
COPY g (id, b) FROM STDIN;
34	4
\.
COPY g (id, a, b) TO STDOUT;
COPY g (b) TO STDOUT;
COPY (SELECT id, b, d FROM g WHERE id >= 30 ORDER BY id) TO STDOUT;
COPY g FROM STDIN WHERE b > 1;
35	4	x
\.
COPY g FROM STDIN WHERE a > 4;
36	4	x
37	5	x
\.
SELECT * FROM g WHERE id >= 30 ORDER BY id;
-- constraints and indexes on them
CREATE TABLE k (a int, b int GENERATED ALWAYS AS (abs(a)) STORED PRIMARY KEY, c int GENERATED ALWAYS AS (a % 10) STORED UNIQUE, d int GENERATED ALWAYS AS (nullif(a, 5)) STORED NOT NULL CHECK (d < 100), CHECK (b + c > 0));
INSERT INTO k VALUES (1), (-12);
INSERT INTO k VALUES (-1);
INSERT INTO k VALUES (21);
INSERT INTO k VALUES (5);
INSERT INTO k VALUES (104);
INSERT INTO k VALUES (0);
INSERT INTO k VALUES (1) ON CONFLICT (b) DO NOTHING;
INSERT INTO k VALUES (31) ON CONFLICT (c) DO UPDATE SET a = 3 RETURNING *;
INSERT INTO k VALUES (33) ON CONFLICT DO NOTHING;
INSERT INTO k VALUES (12) ON CONFLICT (b) DO UPDATE SET a = 14 RETURNING *;
UPDATE k SET a = 4 WHERE a = 3 RETURNING *;
UPDATE k SET a = -14 WHERE a = 14 RETURNING *;
UPDATE k SET a = 5;
UPDATE k SET a = 14;
COPY k FROM STDIN;
6
-6
\.
COPY k FROM STDIN;
6
7
\.
SELECT * FROM k ORDER BY b;
SELECT a FROM k WHERE b = 14;
SELECT a FROM k WHERE c = 4;
CREATE INDEX ASYNC ON k (d);
UPDATE k SET a = 8 WHERE d = 7;
SELECT a FROM k WHERE d = 8;
DELETE FROM k WHERE b = 8;
CREATE TABLE x (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c int GENERATED ALWAYS AS (a % 3) STORED);
CREATE UNIQUE INDEX ASYNC x_b ON x ((b + 1)) WHERE c = 1;
INSERT INTO x VALUES (1), (2), (2), (4);
INSERT INTO x VALUES (4);
UPDATE x SET a = 7 WHERE a = 2;
UPDATE x SET a = 8 WHERE a = 2;
INSERT INTO x VALUES (4), (5) ON CONFLICT ((b + 1)) WHERE c = 1 DO UPDATE SET a = 10 RETURNING *;
SELECT * FROM x ORDER BY a;
SELECT a FROM x WHERE b + 1 = 21 AND c = 1;
DROP TABLE x;
-- errors of the expressions come when they are computed
CREATE TABLE e (a int, b int GENERATED ALWAYS AS (10 / a) STORED, c varchar(3) GENERATED ALWAYS AS (a::text) STORED, d numeric(4, 1) GENERATED ALWAYS AS (a * 1.25) STORED);
INSERT INTO e VALUES (3);
INSERT INTO e VALUES (0);
INSERT INTO e VALUES (4), (0);
INSERT INTO e VALUES (1000);
UPDATE e SET a = 0;
SELECT * FROM e;
-- foreign keys from them, to them, and actions that change what they are made of
CREATE TABLE p (x int, y int GENERATED ALWAYS AS (x + 1) STORED UNIQUE, z int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p (y) ON UPDATE CASCADE, q int REFERENCES p (z) ON UPDATE CASCADE ON DELETE SET NULL, twice int GENERATED ALWAYS AS (q * 2) STORED, r int GENERATED ALWAYS AS (id - 1) STORED REFERENCES p (z) ON DELETE CASCADE);
INSERT INTO p VALUES (1, DEFAULT, 1), (2, DEFAULT, 2), (3, DEFAULT, 3);
INSERT INTO c VALUES (2, 2, 1), (3, 3, 2);
INSERT INTO c VALUES (9, 2, 1);
UPDATE p SET x = 7 WHERE z = 1;
SELECT * FROM c ORDER BY id;
UPDATE p SET z = 30 WHERE z = 3;
UPDATE p SET z = 10 WHERE z = 1;
UPDATE c SET q = 30 WHERE id = 2;
UPDATE p SET z = 31 WHERE z = 30;
SELECT * FROM c ORDER BY id;
DELETE FROM p WHERE z = 31;
SELECT * FROM c ORDER BY id;
UPDATE c SET id = 50 WHERE id = 3;
DELETE FROM p WHERE z = 2;
UPDATE c SET p = NULL;
UPDATE c SET q = NULL;
DELETE FROM p WHERE z = 2;
SELECT * FROM c ORDER BY id;
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (a) STORED REFERENCES p (z) ON UPDATE CASCADE);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (a) STORED REFERENCES p (z) ON UPDATE SET NULL);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (a) STORED REFERENCES p (z) ON UPDATE SET DEFAULT);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (a) STORED REFERENCES p (z) ON DELETE SET NULL);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (a) STORED REFERENCES p (z) ON DELETE SET DEFAULT);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (a) STORED, FOREIGN KEY (a, b) REFERENCES p (z, y) ON DELETE SET NULL (a));
-- what they may be made of
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (a * random()) STORED);
CREATE TABLE bad (a int, b timestamptz GENERATED ALWAYS AS (now()) STORED);
CREATE TABLE bad (a int, b date GENERATED ALWAYS AS (CURRENT_DATE) STORED);
CREATE TABLE bad (a int, b text GENERATED ALWAYS AS (current_user) STORED);
CREATE TABLE bad (a date, b text GENERATED ALWAYS AS (a::text) STORED);
CREATE TABLE bad (a text, b date GENERATED ALWAYS AS (a::date) STORED);
CREATE TABLE bad (a text, b timestamp GENERATED ALWAYS AS (a::timestamp) STORED);
CREATE TABLE bad (a timestamptz, b date GENERATED ALWAYS AS (a::date) STORED);
CREATE TABLE bad (a timestamptz, b bool GENERATED ALWAYS AS (a > '2020-01-01'::date) STORED);
CREATE TABLE bad (a timestamptz, b text GENERATED ALWAYS AS (to_char(a, 'YYYY')) STORED);
CREATE TABLE bad (a timestamptz, b timestamptz GENERATED ALWAYS AS (a + interval '1 day') STORED);
CREATE TABLE bad (a int, b text GENERATED ALWAYS AS (concat(a, 'x')) STORED);
CREATE TABLE bad (a text, b text GENERATED ALWAYS AS (format('%s', a)) STORED);
CREATE TABLE bad (a int, b text GENERATED ALWAYS AS (ARRAY[a]::text) STORED);
CREATE TABLE bad (a int, b bigint GENERATED ALWAYS AS ('pg_class'::text::regclass::oid) STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (a) STORED, c int GENERATED ALWAYS AS (b) STORED);
CREATE TABLE bad (a int, c int GENERATED ALWAYS AS (b) STORED, b int GENERATED ALWAYS AS (a) STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (b) STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (a + b * random()) STORED);
CREATE TABLE bad (a int, b bool GENERATED ALWAYS AS (bad IS NULL) STORED);
CREATE TABLE bad (a int, b text GENERATED ALWAYS AS (bad::text) STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (nope) STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (other.a) STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS ((SELECT 1)) STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (sum(a)) STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (row_number() OVER ()) STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (generate_series(1, a)) STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS ('x'::text) STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS ('x') STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS ($1) STORED);
CREATE TABLE bad (a int, b int DEFAULT 3 GENERATED ALWAYS AS (a) STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (a) STORED DEFAULT 3);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (a) STORED GENERATED ALWAYS AS (a) STORED);
CREATE TABLE bad (a int, b int GENERATED BY DEFAULT AS (a) STORED);
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS (a));
CREATE TABLE bad (a int, b int GENERATED ALWAYS AS a STORED);
CREATE TABLE moment (a int, b date GENERATED ALWAYS AS ('2020-01-02') STORED, c text GENERATED ALWAYS AS (NULL) STORED, d timestamptz GENERATED ALWAYS AS (date '2020-01-02') STORED, e bool GENERATED ALWAYS AS (a IN (1, 2, 3)) STORED, f text GENERATED ALWAYS AS (CASE WHEN a > 0 THEN 'up' ELSE 'down' END) STORED, h int GENERATED ALWAYS AS ((moment.a)) STORED);
INSERT INTO moment VALUES (1), (-1), (NULL);
SELECT * FROM moment;
-- catalogs
SELECT attname, attgenerated, atthasdef, attnotnull, pg_get_expr(adbin, adrelid), pg_get_expr(adbin, adrelid, true) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid IN ('g'::regclass, 'k'::regclass, 'e'::regclass, 'moment'::regclass) AND attnum > 0 ORDER BY attrelid::regclass::text COLLATE "C", attnum;
SELECT table_name, column_name, column_default, is_generated, generation_expression, is_updatable FROM information_schema.columns WHERE table_name IN ('g', 'k', 'moment') ORDER BY 1, ordinal_position;
SELECT table_name, column_name, dependent_column FROM information_schema.column_column_usage ORDER BY 1, 2, 3;
SELECT refobjsubid, deptype FROM pg_depend WHERE classid = 'pg_attrdef'::regclass AND refobjid = 'g'::regclass ORDER BY 1, 2;
CREATE TABLE shown (a int, b int, t text, c numeric(4,1) DEFAULT 1 + 2, d bigint GENERATED ALWAYS AS (a + b) STORED, e bigint GENERATED ALWAYS AS (CASE WHEN a > b THEN a ELSE b END) STORED, f varchar(5) GENERATED ALWAYS AS (t || t) STORED, g bigint GENERATED ALWAYS AS (a::bigint) STORED, h int GENERATED ALWAYS AS (a) STORED, i varchar(5) GENERATED ALWAYS AS (t::varchar(5)) STORED, j bigint GENERATED ALWAYS AS (coalesce(a, b)) STORED, k bigint GENERATED ALWAYS AS (-a) STORED, l varchar(9) GENERATED ALWAYS AS (upper(t)) STORED, m text GENERATED ALWAYS AS (a > b) STORED, n numeric(5, 1) GENERATED ALWAYS AS ((a + b)::bigint) STORED, o float8 GENERATED ALWAYS AS (a + b * 1.5) STORED);
SELECT adnum, pg_get_expr(adbin, adrelid), pg_get_expr(adbin, adrelid, true) FROM pg_attrdef WHERE adrelid = 'shown'::regclass ORDER BY 1;
DROP TABLE shown;
-- renamed and altered
ALTER TABLE g RENAME COLUMN a TO aa;
ALTER TABLE g RENAME COLUMN c TO "C c";
ALTER TABLE g RENAME COLUMN b TO bb;
ALTER TABLE g RENAME TO gg;
SELECT attname, pg_get_expr(adbin, adrelid) FROM pg_attribute JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = 'gg'::regclass ORDER BY attnum;
INSERT INTO gg (id, aa, "C c") VALUES (40, 4, 'r') RETURNING *;
ALTER TABLE gg ALTER COLUMN bb SET DEFAULT 5;
ALTER TABLE gg ALTER COLUMN bb DROP DEFAULT;
ALTER TABLE gg ALTER COLUMN aa DROP EXPRESSION;
ALTER TABLE gg ALTER COLUMN aa DROP EXPRESSION IF EXISTS;
ALTER TABLE gg DROP COLUMN aa;
ALTER TABLE gg DROP COLUMN "C c";
ALTER TABLE gg ALTER COLUMN bb DROP EXPRESSION;
SELECT attname, attgenerated, atthasdef FROM pg_attribute WHERE attrelid = 'gg'::regclass AND attnum > 0 ORDER BY attnum;
INSERT INTO gg (id, aa) VALUES (41, 4) RETURNING *;
INSERT INTO gg (id, aa, bb) VALUES (42, 4, 1) RETURNING *;
UPDATE gg SET aa = 5, bb = bb + 1 WHERE id IN (1, 42) RETURNING *;
ALTER TABLE gg ALTER COLUMN bb SET DEFAULT 9;
ALTER TABLE gg DROP COLUMN aa CASCADE;
SELECT attname, attgenerated, attisdropped FROM pg_attribute WHERE attrelid = 'gg'::regclass AND attnum > 0 ORDER BY attnum;
INSERT INTO gg (id) VALUES (43) RETURNING *;
UPDATE gg SET "C c" = 'last' WHERE id = 43 RETURNING *;
CREATE TABLE dep (a int, b int GENERATED ALWAYS AS (a + 1) STORED UNIQUE, c int GENERATED ALWAYS AS (a + 2) STORED, id int PRIMARY KEY, CHECK (c > 0));
CREATE TABLE dep_child (b int CONSTRAINT dep_fk REFERENCES dep (b));
ALTER TABLE dep DROP COLUMN b;
ALTER TABLE dep DROP COLUMN c;
ALTER TABLE dep DROP COLUMN a;
ALTER TABLE dep DROP COLUMN b CASCADE;
SELECT conname FROM pg_constraint WHERE conrelid IN ('dep'::regclass, 'dep_child'::regclass) ORDER BY 1;
ALTER TABLE dep DROP COLUMN a;
SELECT attname FROM pg_attribute WHERE attrelid = 'dep'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
DROP TABLE gg, k, e, c, p, moment, dep, dep_child;
