-- CREATE SCHEMA with the objects in it (PostgreSQL, CREATE SCHEMA)
CREATE ROLE own;
CREATE TABLE outside (id int PRIMARY KEY);
CREATE SCHEMA x CREATE TABLE p (id int PRIMARY KEY) CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p, o int REFERENCES outside, self int REFERENCES c, v int DEFAULT 3 CHECK (v > 0) UNIQUE) CREATE TABLE x.named (LIKE c INCLUDING ALL);
SELECT relname, relkind FROM pg_class WHERE relnamespace = 'x'::regnamespace ORDER BY 1;
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'x'::regnamespace AND contype <> 'p' ORDER BY 1, 2;
INSERT INTO x.p VALUES (1);
INSERT INTO outside VALUES (1);
INSERT INTO x.c VALUES (1, 1, 1, 1);
INSERT INTO x.c VALUES (2, 2, 1, 1, 9);
SELECT * FROM x.c;
-- grants come last, wherever they stand
CREATE SCHEMA g GRANT SELECT ON v TO PUBLIC GRANT INSERT, UPDATE (id) ON v TO own CREATE TABLE v (id int) GRANT USAGE ON SCHEMA g TO own;
SELECT relacl::text ~ 'own=a/' AND relacl::text ~ '=r/' FROM pg_class WHERE oid = 'g.v'::regclass;
SELECT has_column_privilege('own', 'g.v', 'id', 'UPDATE'), has_table_privilege('own', 'g.v', 'DELETE'), has_schema_privilege('own', 'g', 'USAGE');
-- the new schema comes first in the search path, and for its elements alone
CREATE SCHEMA other CREATE TABLE outside (id int PRIMARY KEY, mine int) CREATE TABLE r (o int REFERENCES outside) CREATE TABLE l (LIKE outside) CREATE TABLE l2 (LIKE public.outside) CREATE TABLE d (k bigint DEFAULT 'l2'::regclass::oid);
SELECT confrelid::regclass::text FROM pg_constraint WHERE conrelid = 'other.r'::regclass;
SELECT attrelid::regclass::text, attname FROM pg_attribute WHERE attrelid IN ('other.l'::regclass, 'other.l2'::regclass) AND attnum > 0 ORDER BY 1, attnum;
SELECT * FROM outside;
SELECT * FROM r;
-- notices
CREATE SCHEMA n CREATE TABLE IF NOT EXISTS t (a int) CREATE TABLE IF NOT EXISTS t (b int);
SELECT attname FROM pg_attribute WHERE attrelid = 'n.t'::regclass AND attnum > 0;
-- errors, after which there is nothing
CREATE SCHEMA bad CREATE TABLE z.y (id int);
CREATE SCHEMA bad CREATE TABLE y (id int) CREATE TABLE public.z (id int);
CREATE SCHEMA bad CREATE TABLE a (w int REFERENCES w) CREATE TABLE w (id int PRIMARY KEY);
CREATE SCHEMA bad CREATE TABLE a (LIKE bad.b) CREATE TABLE b (id int);
CREATE SCHEMA bad CREATE TABLE a (id int) CREATE TABLE a (id int);
CREATE SCHEMA bad CREATE TABLE a (id int, id int);
CREATE SCHEMA bad CREATE TABLE a (id nope);
CREATE SCHEMA bad CREATE TABLE a (id int CHECK (nope > 1));
CREATE SCHEMA bad CREATE TABLE a (id int) GRANT SELECT ON nope TO PUBLIC;
CREATE SCHEMA bad CREATE TABLE a (id int) GRANT SELECT ON a TO nope;
CREATE SCHEMA IF NOT EXISTS bad CREATE TABLE a (id int);
CREATE SCHEMA x CREATE TABLE q (id int);
CREATE SCHEMA bad CREATE ROLE foo;
CREATE SCHEMA bad CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1';
CREATE SCHEMA bad CREATE TABLE a AS SELECT 1;
CREATE SCHEMA bad GRANT own TO own;
CREATE SCHEMA bad REVOKE SELECT ON outside FROM own;
CREATE SCHEMA bad CREATE TABLE a (id int) DROP TABLE outside;
SELECT count(*) FROM pg_namespace WHERE nspname = 'bad';
SELECT count(*) FROM pg_class WHERE relname IN ('a', 'b', 'w', 'q');
DROP SCHEMA x CASCADE;
DROP SCHEMA g CASCADE;
DROP SCHEMA other CASCADE;
DROP SCHEMA n CASCADE;
DROP TABLE outside;
DROP ROLE own;
