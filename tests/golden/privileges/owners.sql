-- owners: what only they do, and how they change
CREATE ROLE o_ann LOGIN;
CREATE ROLE o_bob LOGIN;
CREATE ROLE o_cat LOGIN;
CREATE ROLE o_team;
GRANT o_team TO o_ann, o_bob;
CREATE SCHEMA o;
GRANT USAGE ON SCHEMA o TO o_ann, o_bob, o_cat;
GRANT CREATE ON SCHEMA o TO o_ann;
-- as o_ann
CREATE TABLE o.t (id int PRIMARY KEY, v int);
GRANT SELECT, INSERT ON o.t TO o_bob WITH GRANT OPTION;
GRANT UPDATE (v) ON o.t TO o_bob;
ALTER TABLE o.t OWNER TO o_ann;
ALTER TABLE o.t OWNER TO o_bob;
ALTER TABLE o.t OWNER TO o_team;
ALTER TABLE o.t OWNER TO nobody_there;
-- as o_bob
GRANT SELECT ON o.t TO o_cat;
ALTER TABLE o.t OWNER TO o_bob;
DROP TABLE o.t;
-- as admin
SELECT relowner::regrole, relacl FROM pg_class WHERE oid = 'o.t'::regclass;
ALTER TABLE o.t OWNER TO o_bob;
SELECT relowner::regrole, relacl FROM pg_class WHERE oid = 'o.t'::regclass;
GRANT CREATE ON SCHEMA o TO o_team, o_bob;
ALTER TABLE o.t OWNER TO o_bob;
SELECT relowner::regrole, relacl FROM pg_class WHERE oid = 'o.t'::regclass;
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'o.t'::regclass AND attnum > 0 ORDER BY attnum;
-- as o_ann
SELECT * FROM o.t;
INSERT INTO o.t VALUES (1, 1);
-- as o_bob
INSERT INTO o.t VALUES (1, 1);
ALTER TABLE o.t OWNER TO o_team;
-- as o_ann
INSERT INTO o.t VALUES (2, 2);
SELECT * FROM o.t ORDER BY id;
ALTER TABLE o.t ADD COLUMN w int;
ALTER TABLE o.t RENAME COLUMN w TO x;
COMMENT ON TABLE o.t IS 'ours';
GRANT SELECT ON o.t TO o_cat;
-- as o_cat
SELECT id FROM o.t ORDER BY id;
ALTER TABLE o.t RENAME COLUMN x TO y;
ALTER TABLE o.t OWNER TO o_cat;
ALTER SCHEMA o OWNER TO o_cat;
COMMENT ON TABLE o.t IS 'mine';
DROP TABLE o.t;
-- as admin
SELECT relowner::regrole, relacl FROM pg_class WHERE oid = 'o.t'::regclass;
ALTER SCHEMA o OWNER TO o_cat;
SELECT nspowner::regrole, nspacl FROM pg_namespace WHERE nspname = 'o';
ALTER SCHEMA o OWNER TO CURRENT_USER;
ALTER SCHEMA o OWNER TO nobody_there;
ALTER SCHEMA nowhere OWNER TO o_cat;
ALTER SCHEMA o OWNER TO o_team;
SELECT nspowner::regrole, nspacl FROM pg_namespace WHERE nspname = 'o';
-- as o_ann
ALTER SCHEMA o OWNER TO o_ann;
CREATE TABLE o.parent (id int PRIMARY KEY);
CREATE TABLE o.child (id int PRIMARY KEY, p int REFERENCES o.parent ON DELETE CASCADE);
INSERT INTO o.parent VALUES (1), (2);
GRANT SELECT, DELETE ON o.parent TO o_cat;
GRANT INSERT ON o.child TO o_cat;
-- as o_cat
INSERT INTO o.child VALUES (1, 1);
INSERT INTO o.child VALUES (2, 7);
DELETE FROM o.parent WHERE id = 1;
-- as o_ann
SELECT * FROM o.child;
REVOKE SELECT ON o.parent FROM o_cat;
INSERT INTO o.child VALUES (3, 2);
ALTER TABLE o.child DROP CONSTRAINT child_p_fkey;
ALTER TABLE o.child ADD CONSTRAINT other FOREIGN KEY (p) REFERENCES o.parent NOT VALID;
-- as o_cat
DELETE FROM o.parent;
INSERT INTO o.child VALUES (3, 2);
INSERT INTO o.child VALUES (3, NULL), (NULL, 2);
-- as admin
CREATE TABLE o.secret (id int PRIMARY KEY, a int NOT NULL, b int CHECK (b > 0), c text UNIQUE);
GRANT INSERT, UPDATE, SELECT (a) ON o.secret TO o_cat;
-- as o_cat
INSERT INTO o.secret VALUES (1, 1, 1, 'x');
INSERT INTO o.secret VALUES (1, 1, 1, 'y');
INSERT INTO o.secret VALUES (2, 1, 1, 'x');
INSERT INTO o.secret VALUES (3, 1, -1, 'z');
INSERT INTO o.secret (id) VALUES (3);
UPDATE o.secret SET b = 0;
UPDATE o.secret SET a = NULL;
-- as admin
DROP ROLE o_cat;
DROP ROLE o_team;
DROP ROLE o_ann;
