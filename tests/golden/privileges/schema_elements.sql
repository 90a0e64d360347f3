-- CREATE SCHEMA AUTHORIZATION with elements: its owner makes them
CREATE ROLE e_own LOGIN;
CREATE ROLE e_bob LOGIN;
CREATE SCHEMA e_hidden CREATE TABLE p (id int PRIMARY KEY);
CREATE SCHEMA e_shown CREATE TABLE p (id int PRIMARY KEY) CREATE TABLE plain (v int) GRANT REFERENCES, SELECT ON p TO e_own;
GRANT USAGE ON SCHEMA e_shown TO e_own;
CREATE SCHEMA e AUTHORIZATION e_own CREATE TABLE t (id int PRIMARY KEY, p int REFERENCES e_hidden.p);
CREATE SCHEMA e AUTHORIZATION e_own CREATE TABLE t (id int PRIMARY KEY) CREATE TABLE l (LIKE e_shown.plain);
CREATE SCHEMA e AUTHORIZATION e_own CREATE TABLE t (id int PRIMARY KEY) GRANT SELECT ON e_shown.plain TO e_bob;
CREATE SCHEMA e AUTHORIZATION e_own GRANT SELECT, INSERT ON t TO e_bob GRANT USAGE ON SCHEMA e TO e_bob CREATE TABLE t (id int PRIMARY KEY, p int REFERENCES e_shown.p, v int) CREATE TABLE l (LIKE e_shown.p);
SELECT relname, relowner::regrole, relacl FROM pg_class WHERE relnamespace = 'e'::regnamespace AND relkind = 'r' ORDER BY 1;
SELECT nspowner::regrole, nspacl FROM pg_namespace WHERE nspname = 'e';
CREATE SCHEMA AUTHORIZATION e_own CREATE TABLE e_own.t (id int);
SELECT relnamespace::regnamespace, relowner::regrole FROM pg_class WHERE oid = 'e_own.t'::regclass;
CREATE TABLE e_after (id int);
SELECT relowner::regrole FROM pg_class WHERE oid = 'e_after'::regclass;
-- as e_bob
INSERT INTO e.t VALUES (1);
UPDATE e.t SET v = 2;
SELECT * FROM e.l;
-- as e_own
SELECT * FROM e.t;
DROP TABLE e.l;
