-- USAGE and CREATE on schemas; what a path passes over, what a name is refused for
CREATE ROLE s_ann LOGIN;
CREATE ROLE s_bob LOGIN;
CREATE SCHEMA s1;
CREATE SCHEMA s2 AUTHORIZATION s_bob;
CREATE SCHEMA AUTHORIZATION s_ann;
CREATE TABLE s1.t (id int PRIMARY KEY);
GRANT ALL ON s1.t TO s_ann;
SELECT nspname, nspacl, nspowner::regrole FROM pg_namespace WHERE nspname IN ('s1', 's2', 's_ann') ORDER BY 1;
-- as s_ann
SELECT * FROM s1.t;
SELECT nothing FROM s1.t;
SELECT * FROM s1.none;
SELECT s1.t.id FROM s1.t;
INSERT INTO s1.t VALUES (1);
UPDATE s1.t SET id = 1;
DELETE FROM s1.t;
COPY s1.t TO STDOUT;
SELECT 's1.t'::regclass;
SELECT to_regclass('s1.t');
DROP TABLE s1.t;
ALTER TABLE s1.t ADD COLUMN x int;
CREATE TABLE s1.u (id int);
CREATE TABLE s2.u (id int);
CREATE TABLE public.u_of_ann (id int);
CREATE TABLE u_of_ann (id int PRIMARY KEY);
SELECT 'u_of_ann'::regclass::oid = 's_ann.u_of_ann'::regclass::oid;
SET search_path = s1, public;
SELECT * FROM t;
CREATE TABLE made_where (id int);
SELECT current_schema(), current_schemas(false);
DROP TABLE t;
RESET search_path;
CREATE SCHEMA s_new;
DROP SCHEMA s1;
ALTER SCHEMA s1 RENAME TO s9;
GRANT USAGE ON SCHEMA s1 TO s_bob;
REVOKE USAGE ON SCHEMA s1 FROM s_bob;
-- as admin
GRANT USAGE ON SCHEMA s1 TO s_ann;
-- as s_ann
SELECT * FROM s1.t;
SELECT nothing FROM s1.t;
SELECT * FROM s1.none;
SET search_path = s1, public;
SELECT * FROM t;
CREATE TABLE made_where (id int);
GRANT USAGE ON SCHEMA s1 TO s_bob;
GRANT ALL ON SCHEMA s1 TO s_bob;
-- as admin
GRANT CREATE ON SCHEMA s1 TO s_ann WITH GRANT OPTION;
-- as s_ann
CREATE TABLE made_there (id int);
GRANT CREATE, USAGE ON SCHEMA s1 TO s_bob;
GRANT ALL ON SCHEMA s1 TO s_bob;
REVOKE GRANT OPTION FOR CREATE ON SCHEMA s1 FROM s_bob;
-- as s_bob
CREATE TABLE s1.by_bob (id int);
SELECT * FROM s1.t;
DROP SCHEMA s2;
-- as admin
SELECT nspname, nspacl FROM pg_namespace WHERE nspname IN ('s1', 's2', 's_ann') ORDER BY 1;
SELECT c.relname, c.relowner::regrole FROM pg_class c WHERE relnamespace = 's1'::regnamespace AND relkind = 'r' ORDER BY 1;
REVOKE CREATE ON SCHEMA s1 FROM s_ann;
REVOKE CREATE ON SCHEMA s1 FROM s_ann CASCADE;
GRANT SELECT ON SCHEMA s1 TO s_ann;
GRANT USAGE, INSERT ON SCHEMA s1 TO s_ann;
GRANT USAGE ON SCHEMA nowhere TO s_ann;
GRANT USAGE ON SCHEMA s1 TO PUBLIC WITH GRANT OPTION;
SELECT nspname, nspacl FROM pg_namespace WHERE nspname IN ('s1', 's2', 's_ann') ORDER BY 1;
REVOKE ALL ON SCHEMA s1 FROM s_ann, s_bob;
SELECT nspname, nspacl FROM pg_namespace WHERE nspname = 's1';
-- as s_ann
SELECT id FROM s1.t;
SELECT schema_name FROM information_schema.schemata WHERE schema_name ~ '^s[_0-9]' ORDER BY 1;
-- as s_bob
DROP TABLE s1.by_bob;
