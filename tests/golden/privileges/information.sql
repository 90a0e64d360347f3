-- information_schema: what each role may know of privileges
CREATE ROLE i_ann LOGIN;
CREATE ROLE i_bob LOGIN;
CREATE ROLE i_group;
GRANT i_group TO i_bob WITH ADMIN OPTION;
CREATE SCHEMA i;
GRANT USAGE, CREATE ON SCHEMA i TO i_ann, i_group;
CREATE TABLE i.t (id int PRIMARY KEY, v int CHECK (v > 0), w text);
CREATE TABLE i.hidden (id int PRIMARY KEY);
GRANT SELECT, UPDATE ON i.t TO i_ann WITH GRANT OPTION;
GRANT INSERT (v), SELECT (v) ON i.t TO i_group;
GRANT TRIGGER ON i.t TO PUBLIC;
-- as i_ann
CREATE TABLE i.mine (id int PRIMARY KEY, x int);
GRANT SELECT ON i.t TO i_bob;
GRANT DELETE ON i.mine TO i_bob;
SELECT grantor, grantee, table_name, privilege_type, is_grantable, with_hierarchy
  FROM information_schema.table_privileges WHERE table_schema = 'i' ORDER BY 1, 2, 3, 4;
SELECT grantor, grantee, table_name, privilege_type, is_grantable
  FROM information_schema.role_table_grants WHERE table_schema = 'i' ORDER BY 1, 2, 3, 4;
SELECT grantor, grantee, table_name, column_name, privilege_type, is_grantable
  FROM information_schema.column_privileges WHERE table_schema = 'i' ORDER BY 1, 2, 3, 4, 5;
SELECT grantor, grantee, table_name, column_name, privilege_type, is_grantable
  FROM information_schema.role_column_grants WHERE table_schema = 'i' ORDER BY 1, 2, 3, 4, 5;
SELECT table_name FROM information_schema.tables WHERE table_schema = 'i' ORDER BY 1;
SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'i' ORDER BY 1, 2;
SELECT constraint_name FROM information_schema.table_constraints WHERE table_schema = 'i' AND constraint_name ~ 'key' ORDER BY 1;
SELECT role_name FROM information_schema.enabled_roles ORDER BY 1;
SELECT * FROM information_schema.applicable_roles ORDER BY 1, 2;
-- as i_bob
SELECT grantor, grantee, table_name, privilege_type, is_grantable
  FROM information_schema.table_privileges WHERE table_schema = 'i' ORDER BY 1, 2, 3, 4;
SELECT grantor, grantee, table_name, column_name, privilege_type, is_grantable
  FROM information_schema.column_privileges WHERE table_schema = 'i' ORDER BY 1, 2, 3, 4, 5;
SELECT table_name FROM information_schema.tables WHERE table_schema = 'i' ORDER BY 1;
SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'i' ORDER BY 1, 2;
SELECT role_name FROM information_schema.enabled_roles ORDER BY 1;
SELECT * FROM information_schema.applicable_roles ORDER BY 1, 2;
SELECT * FROM information_schema.administrable_role_authorizations ORDER BY 1, 2;
-- as admin
REVOKE SELECT ON i.t FROM i_ann CASCADE;
SELECT grantor, grantee, table_name, privilege_type, is_grantable
  FROM information_schema.table_privileges WHERE table_schema = 'i' ORDER BY 1, 2, 3, 4;
SELECT grantor, grantee, table_name, column_name, privilege_type, is_grantable
  FROM information_schema.column_privileges WHERE table_schema = 'i' ORDER BY 1, 2, 3, 4, 5;
-- as i_bob
SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'i' ORDER BY 1, 2;
