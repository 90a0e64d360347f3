-- membership in roles: ADMIN, INHERIT, SET; who may grant, in whose name; what REVOKE takes along
CREATE ROLE m_ann LOGIN;
CREATE ROLE m_bob LOGIN NOINHERIT;
CREATE ROLE m_cat LOGIN;
CREATE ROLE m_readers;
CREATE ROLE m_writers IN ROLE m_readers ROLE m_ann ADMIN m_bob;
CREATE USER m_dan;
CREATE GROUP m_group;
CREATE ROLE m_x IN GROUP m_group USER m_dan;
CREATE ROLE m_x;
CREATE ROLE m_y IN ROLE nobody_there;
CREATE ROLE pg_mine;
CREATE ROLE m_y LOGIN NOLOGIN;
CREATE ROLE m_y INHERIT INHERIT;
CREATE ROLE m_y NONSENSE;
SELECT rolname, rolcanlogin, rolinherit FROM pg_roles WHERE rolname LIKE 'm\_%' ORDER BY 1;
SELECT roleid::regrole, member::regrole, grantor::regrole, admin_option, inherit_option, set_option
  FROM pg_auth_members WHERE roleid::regrole::text LIKE 'm\_%' ORDER BY roleid::regrole::text, member::regrole::text;
ALTER GROUP m_group ADD USER m_cat, m_ann;
ALTER GROUP m_group ADD USER m_cat;
ALTER GROUP m_group DROP USER m_ann;
ALTER GROUP m_group DROP USER m_ann;
ALTER ROLE m_x LOGIN NOINHERIT;
ALTER ROLE nobody_there LOGIN;
CREATE SCHEMA m;
GRANT USAGE ON SCHEMA m TO PUBLIC;
CREATE TABLE m.t (id int PRIMARY KEY);
INSERT INTO m.t VALUES (1);
GRANT SELECT ON m.t TO m_readers;
GRANT INSERT ON m.t TO m_writers;
GRANT m_readers TO m_readers;
GRANT m_writers TO m_readers;
GRANT m_readers TO nobody_there;
GRANT nobody_there TO m_ann;
GRANT m_readers TO m_ann WITH NONSENSE TRUE;
GRANT m_readers TO PUBLIC;
REVOKE m_readers FROM m_cat;
-- as m_ann
SELECT * FROM m.t;
INSERT INTO m.t VALUES (2);
DELETE FROM m.t;
GRANT m_writers TO m_cat;
GRANT m_readers TO m_cat;
REVOKE m_writers FROM m_bob;
-- as m_bob
SELECT * FROM m.t;
INSERT INTO m.t VALUES (3);
GRANT m_writers TO m_cat;
GRANT m_writers TO m_cat GRANTED BY m_ann;
-- as admin
GRANT m_writers TO m_ann WITH ADMIN OPTION;
GRANT m_writers TO m_ann WITH ADMIN OPTION;
GRANT m_writers TO m_ann;
-- as m_ann
GRANT m_writers TO m_cat WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
GRANT m_writers TO m_cat WITH INHERIT TRUE;
GRANT m_writers TO m_cat GRANTED BY m_bob;
-- as m_cat
SELECT * FROM m.t;
GRANT m_writers TO m_dan;
GRANT m_writers TO m_ann WITH ADMIN OPTION;
GRANT m_writers TO m_ann;
REVOKE m_writers FROM m_ann;
-- as admin
GRANT m_writers TO m_dan GRANTED BY m_ann;
GRANT m_writers TO m_dan GRANTED BY m_dan;
GRANT m_writers TO m_group GRANTED BY m_readers;
SELECT roleid::regrole, member::regrole, grantor::regrole, admin_option, inherit_option, set_option
  FROM pg_auth_members WHERE roleid::regrole::text LIKE 'm\_%'
  ORDER BY roleid::regrole::text, member::regrole::text, grantor::regrole::text;
SELECT r, s, pg_has_role(r, s, 'USAGE'), pg_has_role(r, s, 'MEMBER'), pg_has_role(r, s, 'SET'),
  pg_has_role(r, s, 'MEMBER WITH ADMIN OPTION')
  FROM unnest(ARRAY['m_ann', 'm_bob', 'm_cat', 'm_dan', 'm_readers']::name[]) r,
    unnest(ARRAY['m_ann', 'm_readers', 'm_writers']::name[]) s ORDER BY 1, 2;
REVOKE ADMIN OPTION FOR m_writers FROM m_ann;
REVOKE INHERIT OPTION FOR m_writers FROM m_ann;
REVOKE SET OPTION FOR m_writers FROM m_ann;
REVOKE m_writers FROM m_ann;
DROP ROLE m_ann;
DROP ROLE m_cat;
REVOKE NONSENSE OPTION FOR m_writers FROM m_ann;
REVOKE ADMIN OPTION FOR m_writers FROM m_ann CASCADE;
SELECT roleid::regrole, member::regrole, grantor::regrole, admin_option, inherit_option, set_option
  FROM pg_auth_members WHERE roleid::regrole::text LIKE 'm\_%'
  ORDER BY roleid::regrole::text, member::regrole::text, grantor::regrole::text;
GRANT m_readers TO m_cat WITH ADMIN OPTION;
-- as m_cat
GRANT m_readers TO m_dan;
SELECT * FROM m.t ORDER BY 1;
-- as admin
GRANT m_readers TO m_cat WITH ADMIN FALSE;
REVOKE m_readers FROM m_cat;
REVOKE m_readers FROM m_cat CASCADE;
SELECT groname, grolist IS NOT NULL FROM pg_group WHERE groname LIKE 'm\_%' ORDER BY 1;
-- as m_cat
SELECT * FROM m.t;
CREATE ROLE m_new;
DROP ROLE m_dan;
DROP ROLE nobody_there;
ALTER ROLE m_dan NOLOGIN;
ALTER ROLE m_dan RENAME TO m_don;
ALTER GROUP m_group ADD USER m_ann;
ALTER GROUP m_group DROP USER m_ann;
-- as admin
ALTER ROLE m_dan RENAME TO m_cat;
ALTER ROLE m_dan RENAME TO pg_dan;
ALTER ROLE nobody_there RENAME TO m_don;
ALTER ROLE m_dan RENAME TO m_don;
SELECT rolname FROM pg_roles WHERE rolname LIKE 'm\_d%';
DROP ROLE m_don, m_group;
DROP ROLE IF EXISTS m_don, m_dan;
DROP ROLE m_don;
DROP USER m_x;
DROP ROLE m_writers;
SELECT roleid::regrole, member::regrole FROM pg_auth_members WHERE roleid::regrole::text LIKE 'm\_%';
