-- CREATE TABLE (LIKE ...): who may read the source may make a table like it
CREATE ROLE l_ann LOGIN;
CREATE ROLE l_bob LOGIN;
CREATE SCHEMA l;
CREATE SCHEMA l_hidden;
GRANT USAGE, CREATE ON SCHEMA l TO l_ann, l_bob;
CREATE TABLE l.src (id int PRIMARY KEY, a int CHECK (a > 0), b text);
CREATE TABLE l_hidden.src (id int PRIMARY KEY);
GRANT SELECT ON l.src TO l_ann;
GRANT SELECT ON l_hidden.src TO l_ann;
GRANT INSERT ON l.src TO l_bob;
GRANT SELECT (id) ON l.src TO l_bob;
-- as l_ann
CREATE TABLE l.copy (LIKE l.src INCLUDING ALL);
CREATE TABLE l.other (LIKE l_hidden.src);
INSERT INTO l.copy VALUES (1, 1, 'x');
SELECT relowner::regrole, relacl FROM pg_class WHERE oid = 'l.copy'::regclass;
-- as l_bob
CREATE TABLE l.theirs (LIKE l.src);
CREATE TABLE l.theirs (LIKE l.src INCLUDING ALL);
CREATE TABLE l.theirs (LIKE l.src_pkey);
CREATE TABLE l.theirs (LIKE l_hidden.src);
SELECT * FROM l.copy;
