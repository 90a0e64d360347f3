-- has_..._privilege, pg_has_role, and lists as values
CREATE ROLE f_ann LOGIN;
CREATE ROLE f_bob LOGIN;
CREATE ROLE "f Odd" LOGIN;
CREATE ROLE f_group;
GRANT f_group TO f_bob;
CREATE SCHEMA f;
CREATE SCHEMA f_closed;
GRANT USAGE ON SCHEMA f TO f_ann, f_group;
GRANT CREATE ON SCHEMA f TO f_ann WITH GRANT OPTION;
CREATE TABLE f.t (id int PRIMARY KEY, v int, w text);
CREATE TABLE f_closed.t (id int PRIMARY KEY);
GRANT SELECT, UPDATE ON f.t TO f_ann WITH GRANT OPTION;
GRANT INSERT (v), REFERENCES (v) ON f.t TO f_group;
GRANT SELECT (w) ON f.t TO f_bob WITH GRANT OPTION;
GRANT DELETE ON f.t TO "f Odd";
SELECT r, p, has_table_privilege(r, 'f.t', p), has_table_privilege(r, 'f.t'::regclass, p || ' WITH GRANT OPTION')
  FROM unnest(ARRAY['f_ann', 'f_bob', 'f_group', 'f Odd', 'public']::name[]) r,
    unnest(ARRAY['SELECT', 'insert', 'Update', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'select, delete']) p ORDER BY 1, 2;
SELECT r, p, has_any_column_privilege(r, 'f.t', p), has_any_column_privilege(r, 'f.t', p || ' WITH GRANT OPTION')
  FROM unnest(ARRAY['f_ann', 'f_bob', 'f_group', 'f Odd', 'public']::name[]) r,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p ORDER BY 1, 2;
SELECT r, c, p, has_column_privilege(r, 'f.t', c, p), has_column_privilege(r, 'f.t', c, p || ' WITH GRANT OPTION')
  FROM unnest(ARRAY['f_ann', 'f_bob', 'f_group', 'f Odd', 'public']::name[]) r, unnest(ARRAY['id', 'v', 'w']) c,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p ORDER BY 1, 2, 3;
SELECT has_column_privilege('f_ann', 'f.t'::regclass, 1::int2, 'SELECT'), has_column_privilege('f_ann', 'f.t', 9::int2, 'SELECT'),
  has_column_privilege('f_ann', 999999::oid, 1::int2, 'SELECT'), has_column_privilege('f_ann', 999999::oid, 'x', 'SELECT');
SELECT has_column_privilege('f_ann', 'f.t', 'none', 'SELECT');
SELECT has_column_privilege('f_ann', 'f.t'::regclass, 'none', 'SELECT');
SELECT has_column_privilege('f_ann', 'f.t', 'id', 'DELETE');
SELECT has_table_privilege('f_ann', 'f.none', 'SELECT');
SELECT has_table_privilege('f_ann', 'f.t', 'USAGE');
SELECT has_table_privilege('f_ann', 'f.t', 'SELECT WITH OPTION');
SELECT has_table_privilege('nobody_there', 'f.t', 'SELECT');
SELECT has_table_privilege('f_ann', 999999::oid, 'SELECT'), has_table_privilege(999999::oid, 'f.t', 'SELECT');
SELECT has_table_privilege(r.oid, c.oid, 'SELECT') FROM pg_roles r, pg_class c WHERE rolname = 'f_ann' AND c.oid = 'f.t'::regclass;
SELECT has_table_privilege('f_ann', 'f.t_pkey', 'SELECT');
SELECT r, has_schema_privilege(r, 'f', 'USAGE'), has_schema_privilege(r, 'f', 'CREATE'),
  has_schema_privilege(r, 'f', 'CREATE WITH GRANT OPTION'), has_schema_privilege(r, 'f', 'USAGE WITH GRANT OPTION'),
  has_schema_privilege(r, 'f_closed', 'USAGE, CREATE'), has_schema_privilege(r, 'pg_catalog', 'USAGE'),
  has_schema_privilege(r, 'public', 'USAGE'), has_schema_privilege(r, 'public', 'CREATE'), has_schema_privilege(r, 999999::oid, 'USAGE')
  FROM unnest(ARRAY['f_ann', 'f_bob', 'f_group', 'f Odd', 'public']::name[]) r ORDER BY 1;
SELECT has_schema_privilege('f_ann', 'nowhere', 'USAGE');
SELECT has_schema_privilege('f_ann', 'f', 'SELECT');
SELECT has_database_privilege('f_ann', 'postgres', 'CONNECT'), has_database_privilege('f_ann', 'postgres', 'CREATE'),
  has_database_privilege('f_ann', 'postgres', 'CONNECT WITH GRANT OPTION');
SELECT has_database_privilege('f_ann', 'nowhere', 'CONNECT');
SELECT has_function_privilege('f_ann', 'upper(text)', 'EXECUTE'), has_function_privilege('f_ann', 'upper(text)', 'EXECUTE WITH GRANT OPTION'),
  has_function_privilege('f_ann', 999999999::oid, 'EXECUTE');
SELECT has_function_privilege('f_ann', 'upper(text)', 'SELECT');
SELECT has_type_privilege('f_ann', 'integer', 'USAGE'), has_type_privilege('f_ann', 'integer', 'USAGE WITH GRANT OPTION'), has_type_privilege('f_ann', 999999999::oid, 'USAGE');
-- differs: message (it has the name as it was given)
SELECT has_sequence_privilege('f_ann', 'f.t', 'USAGE');
SELECT has_sequence_privilege('f_ann', 'f.t'::regclass, 'USAGE');
SELECT has_sequence_privilege('f_ann', 999999::oid, 'USAGE');
SELECT has_sequence_privilege('f_ann', 'f.t', 'DELETE');
SELECT has_language_privilege('f_ann', 'sql', 'USAGE'), has_tablespace_privilege('f_ann', 'pg_default', 'CREATE');
SELECT pg_has_role('f_bob', 'f_group', 'USAGE'), pg_has_role('f_ann', 'f_group', 'MEMBER'), pg_has_role('f_bob', 'f_bob', 'SET');
SELECT pg_has_role('public', 'f_group', 'USAGE');
SELECT pg_has_role('f_bob', 'f_group', 'SELECT');
SELECT pg_has_role('nobody_there', 'f_group', 'USAGE');
SELECT grantor::regrole, CASE grantee WHEN 0 THEN 'public' ELSE grantee::regrole::text END, privilege_type, is_grantable
  FROM pg_class c, aclexplode(c.relacl) WHERE c.oid = 'f.t'::regclass ORDER BY 2, 3;
SELECT relacl FROM pg_class WHERE oid = 'f.t'::regclass;
SELECT acldefault('r', r.oid), acldefault('n', r.oid), acldefault('f', r.oid), acldefault('S', r.oid), acldefault('c', r.oid) FROM pg_roles r WHERE rolname = 'f Odd';
SELECT makeaclitem(a.oid, b.oid, 'SELECT, insert', true), makeaclitem(0, b.oid, 'USAGE', false) FROM pg_roles a, pg_roles b WHERE a.rolname = 'f_ann' AND b.rolname = 'f Odd';
SELECT makeaclitem(0, 10, 'NONSENSE', false);
-- as f_ann
SELECT has_table_privilege('f.t', 'SELECT'), has_table_privilege('f.t'::regclass, 'DELETE'), has_column_privilege('f.t', 'v', 'UPDATE'),
  has_column_privilege('f.t'::regclass, 2::int2, 'INSERT'), has_any_column_privilege('f.t', 'INSERT'), has_schema_privilege('f', 'CREATE'),
  has_database_privilege('postgres', 'CREATE'), has_function_privilege('upper(text)', 'EXECUTE'), has_type_privilege('text', 'USAGE'), pg_has_role('f_group', 'USAGE');
SELECT has_table_privilege('f_closed.t', 'SELECT');
SELECT has_table_privilege('f_bob', 'f.t', 'SELECT');
-- as f_bob
SELECT has_table_privilege('f.t', 'SELECT'), has_column_privilege('f.t', 'v', 'INSERT'), pg_has_role('f_group', 'USAGE');
