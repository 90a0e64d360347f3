-- privileges on columns: what is granted, and what needs which of them
CREATE ROLE c_ann LOGIN;
CREATE ROLE c_bob LOGIN;
CREATE SCHEMA c;
GRANT USAGE ON SCHEMA c TO c_ann, c_bob;
CREATE TABLE c.t (id int PRIMARY KEY, a int, b text, d int UNIQUE);
CREATE TABLE c.u (id int PRIMARY KEY, a int);
INSERT INTO c.t VALUES (1, 10, 'x', 100), (2, 20, 'y', 200);
INSERT INTO c.u VALUES (1, 10), (3, 30);
GRANT SELECT (id, a), INSERT (id, a), UPDATE (a) ON c.t TO c_ann;
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'c.t'::regclass AND attnum > 0 ORDER BY attnum;
SELECT relacl FROM pg_class WHERE oid = 'c.t'::regclass;
GRANT SELECT (nothing) ON c.t TO c_ann;
GRANT DELETE (id) ON c.t TO c_ann;
GRANT TRUNCATE (id) ON c.t TO c_ann;
GRANT SELECT (id), DELETE ON c.t TO c_bob;
GRANT USAGE (id) ON SCHEMA c TO c_ann;
GRANT ALL (b) ON c.t TO c_bob WITH GRANT OPTION;
GRANT ALL PRIVILEGES (d) ON c.t TO c_bob;
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'c.t'::regclass AND attnum > 0 ORDER BY attnum;
-- as c_ann
SELECT id, a FROM c.t ORDER BY id;
SELECT * FROM c.t;
SELECT b FROM c.t;
SELECT count(*) FROM c.t;
SELECT 1 FROM c.t WHERE d = 100;
SELECT id FROM c.t ORDER BY b;
SELECT count(b) FROM c.t;
SELECT id FROM c.t GROUP BY id, d;
SELECT t FROM c.t;
SELECT t.* FROM c.t;
SELECT tableoid FROM c.t;
SELECT (SELECT max(d) FROM c.t);
SELECT x.id FROM c.t x JOIN c.t y ON x.id = y.d;
SELECT id FROM c.t x JOIN c.t y USING (id);
SELECT id FROM c.t x JOIN c.t y USING (d);
SELECT x.id FROM c.t x NATURAL JOIN c.t y;
SELECT * FROM c.u;
SELECT 1 FROM c.t, c.u;
WITH q AS (SELECT id FROM c.t) SELECT * FROM q ORDER BY 1;
WITH q AS (SELECT b FROM c.t) SELECT 1;
SELECT id FROM (SELECT id, b FROM c.t) s;
SELECT id FROM c.t UNION SELECT d FROM c.t;
SELECT id FROM c.t WHERE EXISTS (SELECT 1 FROM c.u);
SELECT id FROM c.t FOR UPDATE;
SELECT id FROM c.t WHERE id = 1 FOR KEY SHARE;
INSERT INTO c.t (id, a) VALUES (3, 30);
INSERT INTO c.t (id) VALUES (4);
INSERT INTO c.t VALUES (5, 50);
INSERT INTO c.t VALUES (6, 60, 'z');
INSERT INTO c.t (id, b) VALUES (7, 'z');
INSERT INTO c.t DEFAULT VALUES;
INSERT INTO c.t (id, a) SELECT id + 10, a FROM c.t WHERE id = 1;
INSERT INTO c.t (id, a) SELECT id + 20, d FROM c.t WHERE id = 1;
INSERT INTO c.t (id, a) VALUES (8, 80) RETURNING id;
INSERT INTO c.t (id, a) VALUES (9, 90) RETURNING b;
INSERT INTO c.t (id, a) VALUES (9, 90) RETURNING *;
INSERT INTO c.t (id, a) VALUES (1, 1) ON CONFLICT DO NOTHING;
INSERT INTO c.t (id, a) VALUES (1, 1) ON CONFLICT (id) DO NOTHING;
INSERT INTO c.t (id, a) VALUES (1, 1) ON CONFLICT (d) DO NOTHING;
INSERT INTO c.t (id, a) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET a = excluded.a;
INSERT INTO c.t (id, a) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET a = excluded.d;
INSERT INTO c.t (id, a) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET a = t.d;
INSERT INTO c.t (id, a) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET b = 'x';
INSERT INTO c.t (id, a) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET a = 1 WHERE t.b = 'x';
INSERT INTO c.t (id, a) VALUES (1, 1) ON CONFLICT ON CONSTRAINT t_d_key DO NOTHING;
UPDATE c.t SET a = 11 WHERE id = 1;
UPDATE c.t SET a = a + 1;
UPDATE c.t SET a = d;
UPDATE c.t SET b = 'no';
UPDATE c.t SET (a, b) = (1, 'no');
UPDATE c.t SET a = 12 WHERE d = 100;
UPDATE c.t SET a = 12 WHERE id = 1 RETURNING id, a;
UPDATE c.t SET a = 12 WHERE id = 1 RETURNING d;
UPDATE c.t SET a = u.a FROM c.u WHERE u.id = t.id;
DELETE FROM c.t;
DELETE FROM c.t WHERE id = 1;
COPY c.t (id, a) TO STDOUT;
COPY c.t TO STDOUT;
COPY c.t (b) TO STDOUT;
COPY (SELECT id FROM c.t WHERE id < 3 ORDER BY id) TO STDOUT;
COPY (SELECT b FROM c.t) TO STDOUT;
COPY c.t (id, a) FROM STDIN;
40	400
\.
COPY c.t (id, a) FROM STDIN WHERE a > 0;
41	410
\.
COPY c.t (id, a) FROM STDIN WHERE d > 0;
\.
COPY c.t (id, b) FROM STDIN;
\.
COPY c.t FROM STDIN;
\.
EXPLAIN SELECT b FROM c.t;
SELECT has_column_privilege('c.t', 'a', 'UPDATE'), has_column_privilege('c.t', 'b', 'SELECT'),
  has_any_column_privilege('c.t', 'UPDATE'), has_table_privilege('c.t', 'UPDATE');
GRANT SELECT (a) ON c.t TO c_bob;
GRANT SELECT (b) ON c.t TO c_bob;
-- as c_bob
DELETE FROM c.t;
DELETE FROM c.t WHERE id = 40;
DELETE FROM c.t WHERE d = 100;
DELETE FROM c.t WHERE id = 41 RETURNING b;
DELETE FROM c.t WHERE id = 41 RETURNING a;
GRANT SELECT (b), UPDATE (b) ON c.t TO c_ann;
GRANT SELECT (b, d) ON c.t TO c_ann;
GRANT ALL (b) ON c.t TO c_ann;
GRANT ALL ON c.t TO c_ann;
REVOKE ALL ON c.t FROM c_ann;
REVOKE SELECT ON c.t FROM c_ann;
-- as admin
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'c.t'::regclass AND attnum > 0 ORDER BY attnum;
GRANT ALL (b) ON c.t TO c_bob WITH GRANT OPTION;
-- as c_bob
GRANT SELECT (b) ON c.t TO c_ann;
-- as admin
REVOKE SELECT (b) ON c.t FROM c_bob;
REVOKE SELECT ON c.t FROM c_bob;
REVOKE GRANT OPTION FOR SELECT (b) ON c.t FROM c_bob CASCADE;
REVOKE SELECT ON c.t FROM c_bob CASCADE;
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'c.t'::regclass AND attnum > 0 ORDER BY attnum;
GRANT SELECT ON c.t TO c_ann;
REVOKE SELECT (a) ON c.t FROM c_ann;
SELECT has_column_privilege('c_ann', 'c.t', 'a', 'SELECT');
REVOKE ALL ON c.t FROM c_ann, c_bob;
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'c.t'::regclass AND attnum > 0 ORDER BY attnum;
GRANT REFERENCES (id) ON c.t TO c_ann;
GRANT CREATE ON SCHEMA c TO c_ann;
-- as c_ann
CREATE TABLE c.child (id int PRIMARY KEY, t int REFERENCES c.t (id));
CREATE TABLE c.other (id int PRIMARY KEY, d int REFERENCES c.t (d));
INSERT INTO c.child VALUES (1, 1);
INSERT INTO c.child VALUES (2, 77);
