-- comments: only owners make them, everybody reads them
CREATE ROLE k_ann LOGIN;
CREATE ROLE k_bob LOGIN;
CREATE SCHEMA k;
GRANT USAGE, CREATE ON SCHEMA k TO k_ann;
GRANT USAGE ON SCHEMA k TO k_bob;
-- as k_ann
CREATE TABLE k.t (id int PRIMARY KEY, v int CONSTRAINT c CHECK (v > 0));
COMMENT ON TABLE k.t IS 'hers';
COMMENT ON COLUMN k.t.v IS 'a value';
COMMENT ON INDEX k.t_pkey IS 'an index';
COMMENT ON CONSTRAINT c ON k.t IS 'a check';
COMMENT ON SCHEMA k IS 'x';
COMMENT ON ROLE k_ann IS 'x';
COMMENT ON ROLE nobody_there IS 'x';
-- as k_bob
COMMENT ON TABLE k.t IS 'x';
COMMENT ON COLUMN k.t.v IS 'x';
COMMENT ON COLUMN k.t.nope IS 'x';
COMMENT ON COLUMN k.t_pkey.id IS 'x';
COMMENT ON INDEX k.t_pkey IS 'x';
COMMENT ON CONSTRAINT c ON k.t IS 'x';
COMMENT ON CONSTRAINT nope ON k.t IS 'x';
COMMENT ON SCHEMA k IS 'x';
COMMENT ON SCHEMA nope IS 'x';
SELECT col_description('k.t'::regclass, 2), obj_description('k.t'::regclass, 'pg_class');
-- as admin
COMMENT ON SCHEMA k IS 'a schema';
COMMENT ON ROLE k_bob IS 'a role';
COMMENT ON COLUMN k.t.v IS 'x';
SELECT col_description('k.t'::regclass, 2), obj_description('k'::regnamespace, 'pg_namespace'), shobj_description('k_bob'::regrole, 'pg_authid');
