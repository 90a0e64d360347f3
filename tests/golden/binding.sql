-- One statement per line, prepared by the real PostgreSQL and by the binder: names, types and errors must be equal.
-- select lists and names
SELECT 1
SELECT 1, 'x', NULL, true, 1.5, 99999999999, 99999999999999999999, -5, -2147483648, -2147483649, 1e3
SELECT a, a AS "A b", t.a, public.t.a, (t).a FROM t
SELECT * FROM t
SELECT t.* FROM t
SELECT public.t.* FROM t
SELECT x.* FROM t AS x
SELECT t.* FROM t AS x
SELECT u.* FROM t AS x
SELECT t FROM t
SELECT (t).* FROM t
SELECT a + 1, a::text, b || 'x', upper(b), count(*) FROM t GROUP BY a, b
SELECT CASE WHEN a > 1 THEN 1 ELSE 2 END, CASE a WHEN 1 THEN b ELSE e END, coalesce(a, 1), nullif(a, 1), greatest(a, 2), least(1, 2.5) FROM t
SELECT ARRAY[1,2], ARRAY['a', b], ROW(1, a), ARRAY[[1,2],[3,4]] FROM t
SELECT (SELECT 1), (SELECT a FROM t LIMIT 1), EXISTS (SELECT 1), ARRAY(SELECT a FROM t), (SELECT 1)::text
SELECT current_date, current_timestamp, current_timestamp(3), localtime, localtimestamp, current_user, current_time
SELECT date '2020-01-01', interval '1 day', timestamp '2020-01-01 00:00', 'x'::varchar(3), 1::numeric(10,2), '1'::int
SELECT CAST(a AS bigint), a::int8 AS x, b::varchar(10), c::numeric(5,1), d::date FROM t
SELECT extract(year FROM d), d AT TIME ZONE 'UTC', substring(b FROM 1 FOR 2), position('a' IN b), trim(b) FROM t
SELECT a IS NULL, a IS NOT DISTINCT FROM 1, f IS TRUE, a BETWEEN 1 AND 2, a IN (1, 2), b LIKE 'a%', NOT f FROM t
SELECT tags[1], tags[1:2], (tags)[1] FROM u
SELECT j -> 'a', j ->> 'a', j -> 0, j['a'] FROM u
SELECT a AS x, a AS x FROM t
SELECT 'a' 'b'
SELECT
SELECT FROM t
SELECT t.b::int FROM t
SELECT 'abc'::char(2), 'abc'::char, 'x'::"char", 'x'::name
SELECT 1 AS one, 2 two
SELECT b COLLATE "C" FROM t
SELECT a COLLATE "C" FROM t
SELECT b COLLATE "nope" FROM t
SELECT * 
SELECT t.*, u.id FROM t, u
SELECT t.nope FROM t
SELECT nope FROM t
SELECT nope.a FROM t
SELECT idd FROM t
SELECT t.idd FROM t
SELECT name FROM t
SELECT scor FROM u, t
SELECT tt.id FROM t
SELECT id FROM t, u
SELECT x.y.z.w.v FROM t
SELECT other.t.id FROM other.t
SELECT other.t.z, t.z FROM other.t
SELECT t.z FROM t, other.t
SELECT t.id FROM t, other.t
SELECT public.t.id FROM other.t
SELECT nodb.public.t.id FROM t
-- relations
SELECT * FROM nope
SELECT * FROM other.nope
SELECT * FROM noschema.t
SELECT * FROM t_pkey
SELECT * FROM nodb.public.t
SELECT * FROM t, t
SELECT * FROM t a, u a
SELECT * FROM t AS x (p, q)
SELECT * FROM t AS x (p, q, r, s, tt, uu, vv, ww, xx)
SELECT x.p, x.b FROM t AS x (p, q)
SELECT id FROM t AS x (p, q)
SELECT q FROM (SELECT 1, 2) AS x (p, q)
SELECT * FROM (SELECT 1) AS x (p, q)
SELECT * FROM (SELECT 1)
SELECT * FROM (VALUES (1, 'a'), (2, NULL)) v
SELECT column1 FROM (VALUES (1)) v
SELECT * FROM (VALUES (1, 'a'), (2.5, NULL)) AS v (n, s)
-- joins
SELECT * FROM t JOIN u ON t.id = u.t_id
SELECT * FROM t JOIN u USING (id)
SELECT * FROM t LEFT JOIN u USING (id)
SELECT * FROM t RIGHT JOIN u USING (id)
SELECT * FROM t FULL JOIN u USING (id)
SELECT * FROM t NATURAL JOIN u
SELECT id, t.id, u.id FROM t FULL JOIN u USING (id)
SELECT * FROM t CROSS JOIN u
SELECT * FROM t NATURAL JOIN nokey
SELECT j.* FROM (t JOIN u USING (id)) AS j
SELECT t.id FROM (t JOIN u USING (id)) AS j
SELECT j.id FROM (t JOIN u ON t.id = u.id) AS j
SELECT j.a FROM (t JOIN u ON t.id = u.id) AS j
SELECT * FROM t JOIN u USING (nope)
SELECT * FROM t JOIN u USING (a)
SELECT * FROM t JOIN u USING (id, id)
SELECT * FROM t JOIN nokey USING (a, b) JOIN u ON name = b
SELECT * FROM t JOIN u ON t.id = nokey.a, nokey
SELECT * FROM nokey, t JOIN u ON t.id = nokey.a
SELECT * FROM t JOIN u ON id = 1
SELECT * FROM t JOIN u ON t.id
SELECT * FROM t JOIN u ON count(*) > 1
SELECT * FROM t JOIN u USING (id) AS m WHERE m.id = 1
SELECT m.* FROM t JOIN u USING (id) AS m
SELECT m.a FROM t JOIN u USING (id) AS m
SELECT * FROM two JOIN nokey ON x = a JOIN t ON t.id = x
SELECT * FROM t JOIN u ON t.id = u.id JOIN two USING (id)
-- lateral
SELECT * FROM t, LATERAL (SELECT t.a + 1 AS n) x
SELECT * FROM t, (SELECT t.a) x
SELECT * FROM t, (SELECT a) x
SELECT * FROM t LEFT JOIN LATERAL (SELECT t.a) x ON true
SELECT * FROM t RIGHT JOIN LATERAL (SELECT t.a) x ON true
SELECT * FROM t, generate_series(1, t.a) g
SELECT * FROM generate_series(1, 3)
SELECT * FROM generate_series(1, 3) AS g
SELECT * FROM generate_series(1, 3) AS g (n)
SELECT * FROM generate_series(1, 3) WITH ORDINALITY
SELECT * FROM generate_series(1, 3) WITH ORDINALITY AS g (n, o)
SELECT g FROM generate_series(1, 3) g
SELECT g.g, g.* FROM generate_series(1::bigint, 3) g
SELECT * FROM unnest(ARRAY[1,2], ARRAY['a','b'])
SELECT * FROM unnest(ARRAY[1,2], ARRAY['a','b']) AS x (i, s)
SELECT * FROM ROWS FROM (generate_series(1,2), generate_series(1,3)) AS x
SELECT * FROM ROWS FROM (generate_series(1,2), generate_series(1,3)) WITH ORDINALITY AS x (a, b, c)
SELECT * FROM upper('x')
SELECT * FROM upper('x') AS y
SELECT * FROM generate_series(1, (SELECT 3)) g
SELECT * FROM count(*)
SELECT * FROM generate_series(1, count(*))
SELECT * FROM jsonb_each('{}') 
SELECT * FROM generate_series(1, 2) AS x (a int)
SELECT generate_series(1, 2), a FROM t
SELECT * FROM generate_series(1, generate_series(1, 2))
SELECT a FROM t WHERE generate_series(1, 2) = 1
SELECT CASE WHEN true THEN generate_series(1, 2) END
SELECT coalesce(generate_series(1, 2), 1)
SELECT count(generate_series(1, 2))
SELECT a FROM t LIMIT generate_series(1, 2)
-- where
SELECT a FROM t WHERE f
SELECT a FROM t WHERE a
SELECT a FROM t WHERE 'true'
SELECT a FROM t WHERE 'maybe'
SELECT a FROM t WHERE NULL
SELECT a FROM t WHERE a = 'x'
SELECT a FROM t WHERE a = '12'
SELECT a FROM t WHERE a = b
SELECT a FROM t WHERE b = 1
SELECT a FROM t WHERE d > '2020-01-01'
SELECT a FROM t WHERE d > 'nonsense'
SELECT a FROM t WHERE a + b > 1
SELECT a FROM t WHERE NOT a
SELECT a FROM t WHERE a AND f
SELECT a FROM t WHERE f OR 1
SELECT a FROM t WHERE count(*) > 1
SELECT a FROM t WHERE row_number() OVER () > 1
SELECT a AS x FROM t WHERE x = 1
SELECT a FROM t WHERE a IN (1, 2.5, '3')
SELECT a FROM t WHERE a IN (1, 'x')
SELECT a FROM t WHERE a IN (1, g, 2)
SELECT a FROM t WHERE a NOT IN (1, 2)
SELECT a FROM t WHERE b IN (1, 2)
SELECT a FROM t WHERE b IN ('a', 1)
SELECT a FROM t WHERE a IN (b)
SELECT a FROM t WHERE (a, b) IN ((1, 'x'), (2, 'y'))
SELECT a FROM t WHERE (a, b) IN ((1, 'x', 3))
SELECT a FROM t WHERE (a, b) = (1, 'x')
SELECT a FROM t WHERE (a, b) < (1, 'x')
SELECT a FROM t WHERE (a, b) < (1)
SELECT a FROM t WHERE (a, b) = (1, 2, 3)
SELECT a FROM t WHERE (a, b) + (1, 2) IS NULL
SELECT a FROM t WHERE (a, b) IS DISTINCT FROM (1, 'x')
SELECT a FROM t WHERE (a, b) IS NULL
SELECT a FROM t WHERE a = ANY (ARRAY[1, 2])
SELECT a FROM t WHERE a = ANY ('{1,2}')
SELECT a FROM t WHERE a = ANY (1)
SELECT a FROM t WHERE b = ANY (ARRAY[1])
SELECT a FROM t WHERE a < ALL (ARRAY[1, 2])
SELECT a FROM t WHERE a + ANY (ARRAY[1]) IS NULL
SELECT a FROM t WHERE a BETWEEN SYMMETRIC 1 AND '5'
SELECT a FROM t WHERE a BETWEEN 1 AND 'x'
SELECT a FROM t WHERE a NOT BETWEEN 1 AND 2.5
SELECT a FROM t WHERE c BETWEEN 1 AND 2
SELECT a FROM t WHERE a IS TRUE
SELECT a FROM t WHERE b LIKE a
SELECT a FROM t WHERE b SIMILAR TO 'x' AND b ILIKE 'y' ESCAPE '!' AND b ~ 'z'
SELECT a FROM t WHERE a OPERATOR(pg_catalog.=) 1
SELECT a FROM t WHERE a OPERATOR(nope.=) 1
SELECT a FROM t WHERE a OPERATOR(other.=) 1
SELECT 1 + NULL, 'a' || NULL, NULL || NULL, '1' + '2'
SELECT '1' + '2'
SELECT 1 + 'x'
SELECT - 'x', + 1, - b FROM t
SELECT @ (-5), |/ 2.0, 2 ^ 3, 5 % 2, 1 << 2
SELECT 1 = 1.0, 1::smallint + 1, 1::bigint + 1, 1 / 2.0, 1.5::float4 + 1
SELECT now() - d, d + interval '1 day', day + 1, day - day FROM t, u
SELECT 'a' < 'b', NULL = NULL, NULL IS NULL
-- functions
SELECT upper(a) FROM t
SELECT upper(b, b) FROM t
SELECT nope(1, 'x')
SELECT other.nope(1)
SELECT noschema.nope(1)
SELECT abs(-1), abs(-1.5), abs('-1'), round(1.5), round(1.234, 2), length('x'), substr('abc', 2)
SELECT upper(DISTINCT b) FROM t
SELECT upper(b) FILTER (WHERE true) FROM t
SELECT upper(*) FROM t
SELECT upper(b ORDER BY b) FROM t
SELECT upper(b) OVER () FROM t
SELECT concat('a', 1, NULL, true), concat_ws(',', 1, 2), format('%s', 1)
SELECT int4('5'), text(5), text(now())
SELECT make_interval(days => 1), make_interval(1, days => 2)
SELECT make_interval(nope => 1)
SELECT make_interval(days => 1, 2)
SELECT coalesce(1, 'x')
SELECT coalesce(a, b) FROM t
SELECT coalesce(NULL, NULL), coalesce('x', NULL), coalesce(1, 2.5), coalesce(a, g) FROM t
SELECT greatest(1, 'a')
SELECT greatest(a, b) FROM t
SELECT nullif(1, 'x')
SELECT nullif(a, b) FROM t
SELECT nullif(1, 2.5), nullif('a', 'b'), nullif(b, 'x') FROM t
SELECT CASE WHEN 1 THEN 2 END
SELECT CASE WHEN true THEN 1 ELSE 'x' END
SELECT CASE WHEN true THEN a ELSE b END FROM t
SELECT CASE a WHEN 'x' THEN 1 END FROM t
SELECT CASE 'a' WHEN 'b' THEN 1 END, CASE WHEN true THEN 'x' END, CASE WHEN true THEN NULL END
SELECT CASE WHEN true THEN e ELSE 'x' END, CASE WHEN f THEN e ELSE e END, CASE WHEN f THEN e END FROM t
SELECT ARRAY[]
SELECT ARRAY[]::int[]
SELECT ARRAY[1, 'x']
SELECT ARRAY[1, b] FROM t
SELECT ARRAY[1, 2.5], ARRAY[NULL], ARRAY['1', '2']::int[], ARRAY[[1], ARRAY[2]]
SELECT ARRAY[1, ARRAY[2]]
SELECT a[1] FROM t
SELECT tags['x'] FROM u
SELECT tags[b] FROM u, t
SELECT '{1,2}'::int[], ('{1,2}'::int[])[1], '{{1}}'::int[][]
SELECT (ARRAY[[1,2],[3,4]])[1][2]
SELECT ROW(1, 2).f1
SELECT (ROW(1, 2)).f1
SELECT (ROW(1, 2)).f3
SELECT (a).b FROM t
SELECT (t).nope FROM t
SELECT (a).* FROM t
SELECT count(t.*), count(t) FROM t
SELECT 1::nope
SELECT 1::other.nope
SELECT 1::noschema.nope
SELECT true::int, 1::bool, now()::int
SELECT b::int, a::bool, d::time, '{1}'::int[]::text[] FROM t
SELECT j::int, j::text FROM u
SELECT 'x'::int
SELECT '1.5'::int
SELECT 'x'::date
SELECT '99999999999'::int
SELECT ARRAY['a']::int[]
SELECT 'abc'::varchar(2), 12345.678::numeric(5,1)
SELECT 1::varchar(0)
SELECT 1::numeric(2000, 1)
SELECT 'x'::text::varchar::char(5)
SELECT interval '1' day, interval '1:2' minute to second, interval(3) '1 s', '1 d'::interval day
SELECT timestamp(3) '2020-01-01', '2020-01-01'::timestamptz(2), time(1) '10:00'
-- parameters
SELECT $1
SELECT $1::int, $2::text
SELECT $1 + 1
SELECT $1 + $2
SELECT a FROM t WHERE id = $1
SELECT a FROM t WHERE id = $1 AND b = $2 AND d > $3 AND c = $4
SELECT a FROM t WHERE id = $1 AND b = $1
SELECT a FROM t WHERE id = $2
SELECT a FROM t WHERE id IN ($1, $2) AND b IN ('a', $3)
SELECT a FROM t WHERE id = ANY ($1)
SELECT a FROM t WHERE b LIKE $1
SELECT a FROM t WHERE a BETWEEN $1 AND $2
SELECT a FROM t WHERE $1
SELECT a FROM t WHERE $1 IS NULL
SELECT a FROM t LIMIT $1 OFFSET $2
SELECT coalesce($1, a), CASE WHEN $2 THEN $3 ELSE b END FROM t
SELECT upper($1), abs($2), length($3)
SELECT $1 || 'x', 'a' || $2
SELECT $1 = $2
SELECT $1, $1 FROM t WHERE a = $1
SELECT $1 UNION SELECT 1
SELECT 1 UNION SELECT $1
SELECT $1::int + $1
SELECT $1 + $1::int
SELECT $0
SELECT a FROM t WHERE (a, b) = ($1, $2)
SELECT a FROM t WHERE a IN (SELECT $1)
SELECT ARRAY[$1, 1], ROW($2)
SELECT g FROM t WHERE g = $1 AND a = $1
INSERT INTO t (id, a, b, c, d) VALUES ($1, $2, $3, $4, $5)
INSERT INTO t (id, b) VALUES ($1, $2), ($3, $4) RETURNING id, b
INSERT INTO t (id, g) SELECT $1, $2
UPDATE t SET a = $1, b = $2 WHERE id = $3
UPDATE t SET a = a + $1, g = coalesce($2, g) WHERE id = $3 RETURNING *
DELETE FROM t WHERE id = $1 AND d < $2
-- order by, distinct, limit
SELECT a FROM t ORDER BY a
SELECT a FROM t ORDER BY 1
SELECT a FROM t ORDER BY 2
SELECT a FROM t ORDER BY 0
SELECT a FROM t ORDER BY -1
SELECT a FROM t ORDER BY 'x'
SELECT a FROM t ORDER BY 1.5
SELECT a FROM t ORDER BY b, a + 1 DESC NULLS LAST
SELECT a AS x FROM t ORDER BY x
SELECT a AS x FROM t ORDER BY x + 1
SELECT a AS b, b AS a FROM t ORDER BY a
SELECT a AS x, b AS x FROM t ORDER BY x
SELECT a AS x, a AS x FROM t ORDER BY x
SELECT a FROM t ORDER BY nope
SELECT a FROM t ORDER BY j
SELECT j FROM u ORDER BY j
SELECT '{}'::json AS x ORDER BY x
SELECT a FROM t ORDER BY a USING >
SELECT 'x' ORDER BY 1
SELECT a FROM t ORDER BY count(*)
SELECT DISTINCT a FROM t ORDER BY a
SELECT DISTINCT a FROM t ORDER BY b
SELECT DISTINCT a, b FROM t ORDER BY b, a
SELECT DISTINCT '{}'::json
SELECT DISTINCT a + 1 FROM t ORDER BY a + 1
SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b
SELECT DISTINCT ON (a) a, b FROM t ORDER BY b
SELECT DISTINCT ON (1) a, b FROM t ORDER BY 1, 2
SELECT DISTINCT ON (3) a, b FROM t
SELECT DISTINCT ON (a, b) a FROM t ORDER BY b, a
SELECT DISTINCT ON (a, b) a FROM t ORDER BY b, c
SELECT DISTINCT ON (a + 1) a FROM t ORDER BY a + 1, b
SELECT a FROM t LIMIT 'x'
SELECT a FROM t LIMIT '5' OFFSET 2.5
SELECT a FROM t LIMIT b
SELECT a FROM t LIMIT a
SELECT a FROM t LIMIT (SELECT 1)
SELECT a FROM t LIMIT count(*)
SELECT a FROM t LIMIT true
SELECT a FROM t FETCH FIRST 2 ROWS WITH TIES
SELECT a FROM t ORDER BY a FETCH FIRST 2 ROWS WITH TIES
SELECT a FROM t LIMIT NULL
SELECT a FROM t LIMIT ALL
-- group by, aggregates
SELECT a, count(*) FROM t GROUP BY a
SELECT a, b FROM t GROUP BY a
SELECT a + 1, count(*) FROM t GROUP BY a + 1
SELECT a + 2 FROM t GROUP BY a + 1
SELECT a, b, count(*) FROM t GROUP BY id
SELECT t.a, u.name FROM t JOIN u ON t.id = u.t_id GROUP BY t.id
SELECT v FROM two GROUP BY x
SELECT v FROM two GROUP BY x, y
SELECT v FROM two GROUP BY y, x HAVING v > 'a'
SELECT a FROM t GROUP BY 1
SELECT a FROM t GROUP BY 2
SELECT count(*) FROM t GROUP BY 1
SELECT a AS x FROM t GROUP BY x
SELECT a AS b FROM t GROUP BY b
SELECT b AS a, count(*) FROM t GROUP BY a
SELECT a, count(*) FROM t
SELECT count(*), a FROM t HAVING count(*) > 1
SELECT 1 FROM t HAVING a > 1
SELECT count(*) FROM t HAVING count(*)
SELECT count(*) FROM t HAVING sum(a) > 1
SELECT a FROM t GROUP BY a ORDER BY b
SELECT a FROM t GROUP BY a ORDER BY count(*)
SELECT a FROM t GROUP BY a ORDER BY sum(b)
SELECT sum(a), avg(a), min(b), max(d), sum(c), avg(g), sum(g), count(DISTINCT a), bool_and(f) FROM t
SELECT sum(b) FROM t
SELECT sum('x')
SELECT count() FROM t
SELECT sum(*) FROM t
SELECT count(a, b) FROM t
SELECT sum(count(*)) FROM t
SELECT sum(sum(a)) FROM t GROUP BY b
SELECT count(*) FILTER (WHERE a > 1) FROM t
SELECT count(*) FILTER (WHERE a) FROM t
SELECT count(*) FILTER (WHERE count(*) > 1) FROM t
SELECT string_agg(b, ',' ORDER BY a DESC), array_agg(DISTINCT a ORDER BY a), array_agg(b) FROM t
SELECT string_agg(DISTINCT b, ',' ORDER BY a) FROM t
SELECT string_agg(DISTINCT b, ',' ORDER BY b) FROM t
SELECT string_agg(b) FROM t
SELECT string_agg(a, ',') FROM t
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a), percentile_disc(0.5) WITHIN GROUP (ORDER BY b), mode() WITHIN GROUP (ORDER BY a) FROM t
SELECT percentile_cont(0.5) FROM t
SELECT sum(a) WITHIN GROUP (ORDER BY a) FROM t
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) OVER () FROM t
SELECT a, b, count(*), grouping(a), grouping(a, b) FROM t GROUP BY ROLLUP (a, b)
SELECT a, b, count(*) FROM t GROUP BY CUBE (a, b)
SELECT a, b, count(*) FROM t GROUP BY GROUPING SETS ((a), (b), ())
SELECT a, c FROM t GROUP BY GROUPING SETS ((a), (b))
SELECT grouping(c) FROM t GROUP BY a
SELECT grouping(a) FROM t
SELECT count(*) FROM t GROUP BY ()
SELECT a FROM t GROUP BY count(*)
SELECT a FROM t GROUP BY row_number() OVER ()
SELECT '{}'::json FROM t GROUP BY 1
SELECT (SELECT a) FROM t GROUP BY b
SELECT (SELECT count(*) FROM u WHERE u.t_id = t.a) FROM t GROUP BY a
SELECT (SELECT count(*) FROM u WHERE u.t_id = t.b::int) FROM t GROUP BY a
SELECT (SELECT sum(t.a) FROM u LIMIT 1) FROM t
SELECT (SELECT sum(t.a + u.id) FROM u) FROM t
SELECT t.a FROM t WHERE (SELECT sum(t.a)) > 1
SELECT a, (SELECT max(t.c)) FROM t GROUP BY a
SELECT t.*, count(*) FROM t GROUP BY id
SELECT t, count(*) FROM t GROUP BY t
SELECT t, count(*) FROM t GROUP BY a
SELECT id, count(*) FROM t FULL JOIN u USING (id) GROUP BY id
SELECT t.id, count(*) FROM t FULL JOIN u USING (id) GROUP BY id
SELECT id FROM t LEFT JOIN u USING (id) GROUP BY id
SELECT a FROM t GROUP BY 'x'
SELECT a FROM t GROUP BY (a, b)
SELECT count(*) AS n FROM t GROUP BY n
-- windows
SELECT row_number() OVER (), rank() OVER (ORDER BY a), sum(a) OVER (PARTITION BY b ORDER BY a) FROM t
SELECT row_number() FROM t
SELECT row_number() OVER w, sum(a) OVER (w ORDER BY b) FROM t WINDOW w AS (PARTITION BY a)
SELECT row_number() OVER nope FROM t
SELECT sum(a) OVER (w PARTITION BY b) FROM t WINDOW w AS (PARTITION BY a)
SELECT sum(a) OVER (w ORDER BY b) FROM t WINDOW w AS (ORDER BY a)
SELECT sum(a) OVER (ORDER BY a) FROM t WINDOW w AS (), w AS ()
SELECT count(DISTINCT a) OVER () FROM t
SELECT sum(a) OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND $1 FOLLOWING) FROM t
SELECT sum(a) OVER (ORDER BY a RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t
SELECT sum(a) OVER (ORDER BY a, b RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t
SELECT sum(a) OVER (ORDER BY d RANGE BETWEEN '1 day' PRECEDING AND CURRENT ROW) FROM t
SELECT sum(a) OVER (ORDER BY b RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t
SELECT sum(a) OVER (GROUPS 1 PRECEDING) FROM t
SELECT sum(a) OVER (ROWS a PRECEDING) FROM t
SELECT sum(a) OVER (ROWS 'x' PRECEDING) FROM t
SELECT sum(sum(a)) OVER () FROM t
SELECT sum(row_number() OVER ()) FROM t
SELECT sum(row_number() OVER ()) OVER () FROM t
SELECT row_number() OVER (ORDER BY rank() OVER ()) FROM t
SELECT a, row_number() OVER (ORDER BY b) FROM t GROUP BY a
SELECT rank() OVER (ORDER BY count(*)) FROM t GROUP BY a
SELECT a FROM t HAVING row_number() OVER () > 1
SELECT a FROM t ORDER BY row_number() OVER (ORDER BY b)
SELECT lag(a) OVER (ORDER BY a), lead(a, 2, 0) OVER (ORDER BY a), first_value(b) OVER (), ntile(4) OVER (), nth_value(a, 2) OVER () FROM t
SELECT count(*) FILTER (WHERE f) OVER () FROM t
SELECT row_number() FILTER (WHERE f) OVER () FROM t
SELECT row_number(DISTINCT) OVER () FROM t
-- subqueries
SELECT (SELECT 1, 2)
SELECT (SELECT)
SELECT (SELECT a FROM t WHERE t.id = u.t_id) FROM u
SELECT * FROM t WHERE id IN (SELECT t_id FROM u)
SELECT * FROM t WHERE id IN (SELECT t_id, id FROM u)
SELECT * FROM t WHERE (id, a) IN (SELECT t_id, id FROM u)
SELECT * FROM t WHERE (id, a) IN (SELECT t_id FROM u)
SELECT * FROM t WHERE id IN (SELECT name FROM u)
SELECT * FROM t WHERE id NOT IN (SELECT t_id FROM u)
SELECT * FROM t WHERE id > ALL (SELECT t_id FROM u)
SELECT * FROM t WHERE id + ANY (SELECT t_id FROM u)
SELECT * FROM t WHERE (id, a) = (SELECT t_id, id FROM u LIMIT 1)
SELECT * FROM t WHERE (id, a) = (SELECT t_id FROM u LIMIT 1)
SELECT * FROM t WHERE (id, a) < ANY (SELECT t_id, id FROM u)
SELECT * FROM t WHERE EXISTS (SELECT FROM u WHERE u.t_id = t.id)
SELECT * FROM t WHERE EXISTS (SELECT nope FROM u)
SELECT * FROM t WHERE id = (SELECT max(id) FROM u)
SELECT * FROM t WHERE b IN (SELECT 'x')
SELECT * FROM t WHERE id IN (SELECT '1')
SELECT * FROM t WHERE id IN (SELECT 1 UNION SELECT 2)
SELECT (SELECT id FROM u WHERE u.id = t.nope) FROM t
SELECT * FROM (SELECT a, count(*) FROM t GROUP BY a) x WHERE count > 1
SELECT * FROM (SELECT 'x' AS s, NULL AS n, 1 AS i) x
SELECT s || 1 FROM (SELECT 'x' AS s) x
SELECT s + 1 FROM (SELECT '1' AS s) x
SELECT ARRAY(SELECT 'x'), ARRAY(SELECT ARRAY[1])
SELECT ARRAY(SELECT 1, 2)
-- set operations
SELECT 1 UNION SELECT 2
SELECT 1 AS a UNION ALL SELECT 2.5 AS b ORDER BY a
SELECT 1 UNION SELECT 'x'
SELECT a FROM t UNION SELECT b FROM t
SELECT a, b FROM t UNION SELECT a FROM t
SELECT 'a' UNION SELECT 'b'
SELECT NULL UNION SELECT 1
SELECT '1' UNION SELECT 1
SELECT NULL UNION SELECT NULL UNION SELECT 1
SELECT a FROM t INTERSECT SELECT id FROM u EXCEPT SELECT x FROM two
SELECT a FROM t UNION SELECT id FROM u ORDER BY 1
SELECT a FROM t UNION SELECT id FROM u ORDER BY id
SELECT a FROM t UNION SELECT id FROM u ORDER BY a + 1
SELECT a FROM t UNION SELECT id FROM u ORDER BY 2
SELECT a FROM t UNION SELECT id FROM u LIMIT 1 OFFSET $1
(SELECT a FROM t ORDER BY b LIMIT 1) UNION ALL (SELECT g FROM t)
SELECT '{}'::json UNION SELECT '{}'::json
SELECT '{}'::json UNION ALL SELECT '{}'::json
SELECT e FROM t UNION SELECT e FROM t
SELECT e FROM t UNION SELECT b FROM t
SELECT c FROM t UNION ALL SELECT c FROM t
SELECT * FROM (SELECT 1 UNION SELECT 2) x
VALUES (1, 'a'), (2, 'b')
VALUES (1, 'a'), (2)
VALUES (1), ('x')
VALUES (1), (2.5) ORDER BY column1
VALUES (1), (2) ORDER BY 1 LIMIT 1
VALUES (DEFAULT)
VALUES (count(*))
VALUES (1) UNION SELECT 2
SELECT a FROM t UNION SELECT a FROM t FOR UPDATE
TABLE t
-- with
WITH x AS (SELECT 1 AS n) SELECT * FROM x
WITH x (m) AS (SELECT 1 AS n) SELECT m, x.m FROM x
WITH x (m, k) AS (SELECT 1 AS n) SELECT * FROM x
WITH x AS (SELECT 1), x AS (SELECT 2) SELECT * FROM x
WITH x AS (SELECT * FROM y), y AS (SELECT 1) SELECT * FROM x
WITH x AS (SELECT 1 AS n), y AS (SELECT n + 1 AS n FROM x) SELECT * FROM x, y
WITH x AS (SELECT 1 AS n) SELECT (SELECT n FROM x), * FROM x AS z
WITH t AS (SELECT 'cte' AS c) SELECT * FROM t
WITH t AS (SELECT 'cte' AS c) SELECT * FROM public.t
WITH x AS (INSERT INTO t (id) VALUES (1) RETURNING id, a) SELECT * FROM x
WITH x AS (INSERT INTO t (id) VALUES (1)) SELECT * FROM x
WITH x AS (UPDATE t SET a = 1 RETURNING *) SELECT a FROM x
WITH x AS (DELETE FROM t RETURNING id) INSERT INTO u (id) SELECT id FROM x
SELECT * FROM (WITH x AS (DELETE FROM t RETURNING id) SELECT * FROM x) y
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x WHERE n < 10) SELECT * FROM x
WITH RECURSIVE x (n) AS (VALUES (1) UNION SELECT n + 1 FROM x) SELECT n FROM x
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1.5 FROM x) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 'a' AS n UNION ALL SELECT n || 'b' FROM x) SELECT * FROM x
WITH RECURSIVE x AS (SELECT n FROM x) SELECT * FROM x
WITH RECURSIVE x AS (SELECT n FROM x UNION ALL SELECT 1) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 1 AS n INTERSECT SELECT n FROM x) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT a.n FROM x a, x b) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n FROM t LEFT JOIN x ON true) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT 1 WHERE EXISTS (SELECT FROM x)) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT max(n) FROM x) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n FROM x ORDER BY 1) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n FROM x LIMIT 1) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL (SELECT n FROM x EXCEPT SELECT 1)) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL (SELECT 1 EXCEPT SELECT n FROM x)) SELECT * FROM x
WITH RECURSIVE x AS (SELECT * FROM y), y AS (SELECT 1 AS n) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n FROM y), y AS (SELECT 1 AS n UNION ALL SELECT n FROM x) SELECT * FROM x
WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x
-- locking
SELECT * FROM t FOR UPDATE
SELECT * FROM t, u FOR UPDATE OF u
SELECT count(*) FROM t FOR UPDATE
SELECT a FROM t GROUP BY a FOR UPDATE
SELECT DISTINCT a FROM t FOR UPDATE
SELECT row_number() OVER () FROM t FOR UPDATE
SELECT generate_series(1, 2) FROM t FOR UPDATE
SELECT a FROM t HAVING true FOR UPDATE
SELECT * FROM t FOR KEY SHARE
SELECT * FROM (SELECT a FROM t) x FOR UPDATE
SELECT * FROM t WHERE id IN (SELECT id FROM u FOR UPDATE)
-- insert
INSERT INTO t VALUES (1, 2, 'x')
INSERT INTO t VALUES (1, 2, 'x', 1.5, now(), 'e', true, 5)
INSERT INTO t VALUES (1, 2, 'x', 1.5, now(), 'e', true, 5, 6)
INSERT INTO t (id) VALUES (1, 2)
INSERT INTO t (id, a) VALUES (1)
INSERT INTO t (id, a) VALUES ((1, 2))
INSERT INTO t (id, id) VALUES (1, 2)
INSERT INTO t (id, nope) VALUES (1, 2)
INSERT INTO nope VALUES (1)
INSERT INTO t (id, a) VALUES (1, 'x')
INSERT INTO t (id, a) VALUES (1, b)
INSERT INTO t (id, a) VALUES (1, now())
INSERT INTO t (id, b) VALUES (1, 5)
INSERT INTO t (id, a) VALUES (1, '5'::text)
INSERT INTO t (id, c) VALUES (1, '1.234'), (2, 5), (3, DEFAULT), (4, NULL)
INSERT INTO t (id, c) VALUES (1, 2), (2)
INSERT INTO t (id, f) VALUES (1, 'yes'), (2, 0)
INSERT INTO t DEFAULT VALUES
INSERT INTO t (id, d) VALUES (DEFAULT, DEFAULT) RETURNING *
INSERT INTO t (id) VALUES (1) RETURNING id, a + 1 AS n, t.*, nope
INSERT INTO t (id) VALUES (1) RETURNING id, a + 1 AS n
INSERT INTO t AS x (id) VALUES (1) RETURNING x.id
INSERT INTO t AS x (id) VALUES (1) RETURNING t.id
INSERT INTO t (id) VALUES (1) RETURNING count(*)
INSERT INTO t (id) VALUES (1) RETURNING row_number() OVER ()
INSERT INTO t (id) SELECT id FROM u
INSERT INTO t (id, a, b) SELECT id, t_id FROM u
INSERT INTO t (id) SELECT id, t_id FROM u
INSERT INTO t (id, a) SELECT id, name FROM u
INSERT INTO t (id, b, d) SELECT 1, 'x', '2020-01-01'
INSERT INTO t (id, d) SELECT 1, 'nonsense'
INSERT INTO t (id, a) SELECT 1, '5' UNION SELECT 2, '6'
INSERT INTO t (id, d) VALUES (1, '2020-01-01') ON CONFLICT DO NOTHING
INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO NOTHING
INSERT INTO t (id) VALUES (1) ON CONFLICT DO UPDATE SET a = 1
INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = excluded.a + t.a, b = 'x' WHERE t.a > 1 RETURNING a
INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = a + 1
INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = excluded.nope
INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET nope = 1
INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 'x'
INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET (a, b) = (excluded.a, excluded.b)
INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = count(*)
INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1 WHERE a
INSERT INTO u (id, name) VALUES (1, 'x') ON CONFLICT (name) DO UPDATE SET score = $1
INSERT INTO u (id, name) VALUES (1, 'x') ON CONFLICT ON CONSTRAINT u_name_key DO NOTHING
INSERT INTO u (id, name) VALUES (1, 'x') ON CONFLICT ON CONSTRAINT nope DO NOTHING
INSERT INTO two VALUES (1, 2, 'x') ON CONFLICT (y, x) DO UPDATE SET v = excluded.v
INSERT INTO two VALUES (1, 2, 'x') ON CONFLICT (x, y) DO UPDATE SET v = DEFAULT RETURNING *
INSERT INTO t (id, a) VALUES (1, (SELECT max(id) FROM u))
INSERT INTO t (id, a) VALUES (1, generate_series(1, 2))
INSERT INTO t (id, a) VALUES (1, 2), (2, generate_series(1, 2))
INSERT INTO t (id, a) VALUES (count(*), 1)
INSERT INTO t (id, a) WITH x AS (SELECT 1 AS n) SELECT n, n FROM x
WITH x AS (SELECT 1 AS n) INSERT INTO t (id) SELECT n FROM x
INSERT INTO u (id, tags, j, day, s) VALUES (1, '{a,b}', '{"a":1}', '2020-01-01', 5)
INSERT INTO u (id, tags) VALUES (1, ARRAY['a', 'b'])
INSERT INTO u (id, tags) VALUES (1, ARRAY[1])
INSERT INTO u (id, s) VALUES (1, 100000)
INSERT INTO u (id, s) VALUES (1, 99999999999)
INSERT INTO u (id, score) VALUES (1, 1.5), (2, 'x')
-- update, delete
UPDATE t SET a = 1
UPDATE t SET a = a + 1, b = upper(b) WHERE id = 1 RETURNING id, a
UPDATE t SET nope = 1
UPDATE t SET t.a = 1
UPDATE t SET a = 1, a = 2
UPDATE t SET a = 'x'
UPDATE t SET a = b
UPDATE t SET a = DEFAULT, d = DEFAULT
UPDATE t SET (a, b) = (1, 'x')
UPDATE t SET (a, b) = (1, DEFAULT)
UPDATE t SET (a, b) = (1, 2, 3)
UPDATE t SET (a, b) = ROW(1, 2)
UPDATE t SET (a, b) = (SELECT id, name FROM u WHERE u.t_id = t.id)
UPDATE t SET (a, b) = (SELECT id FROM u)
UPDATE t SET (a, b) = (SELECT name, id FROM u)
UPDATE t SET (a) = (5)
UPDATE t SET a = u.id FROM u WHERE u.t_id = t.id RETURNING t.*, u.name
UPDATE t SET a = u.id FROM u WHERE u.t_id = id
UPDATE t SET a = x.id FROM (SELECT t.id) x
UPDATE t SET a = x.id FROM (SELECT id FROM u) x WHERE x.id = t.id
UPDATE t SET a = 1 FROM t
UPDATE t x SET a = 1 WHERE t.id = 1
UPDATE t x SET a = 1 WHERE x.id = 1 RETURNING x.a
UPDATE nope SET a = 1
UPDATE t SET a = count(*)
UPDATE t SET a = generate_series(1, 2)
UPDATE t SET a = row_number() OVER ()
UPDATE t SET a = 1 WHERE count(*) > 1
UPDATE t SET a = 1 WHERE a
UPDATE t SET c = 1.555, e = 'abcdef', g = 1.5
UPDATE t SET a = (SELECT 1, 2)
UPDATE t SET a = NULL, b = NULL
UPDATE u SET tags = '{x}', j = '[]', day = now(), s = s + 1
UPDATE u SET day = 5
WITH x AS (SELECT 1 AS n) UPDATE t SET a = n FROM x
DELETE FROM t
DELETE FROM t WHERE id = 1 RETURNING *
DELETE FROM t USING u WHERE u.t_id = t.id RETURNING t.id, u.name
DELETE FROM t USING u WHERE id = 1
DELETE FROM t x WHERE t.id = 1
DELETE FROM nope
DELETE FROM t WHERE nope = 1
DELETE FROM t WHERE count(*) > 1
DELETE FROM t WHERE id IN (SELECT t_id FROM u)
DELETE FROM t USING t
-- as applications write them
SELECT tableoid, t.tableoid FROM t
SELECT tableoid FROM t, u
SELECT tableoid FROM (SELECT 1) x
SELECT a.id, b.id FROM t a, t b WHERE a.id = b.a
SELECT a.* FROM t a LEFT JOIN (u JOIN two ON u.id = two.x) ON a.id = u.t_id
SELECT * FROM (t LEFT JOIN u USING (id)) LEFT JOIN two ON two.x = id
SELECT x.id FROM t x WHERE EXISTS (SELECT 1 FROM u y WHERE y.t_id = x.id AND EXISTS (SELECT 1 FROM two z WHERE z.x = y.id AND z.y = x.a))
SELECT b, sum(a) s FROM t GROUP BY b HAVING sum(a) > 10 ORDER BY s DESC, b LIMIT 3
SELECT date_trunc('month', d) AS m, count(*) FROM t GROUP BY m ORDER BY m
SELECT date_trunc('month', d), count(*) FROM t GROUP BY date_trunc('month', d) ORDER BY date_trunc('month', d)
SELECT date_trunc('month', d), count(*) FROM t GROUP BY 1 ORDER BY 1
SELECT extract(year FROM d) y, avg(c)::numeric(10,2), round(avg(g), 2) FROM t GROUP BY 1
SELECT count(*) FILTER (WHERE f) AS yes, count(*) FILTER (WHERE NOT f) AS no FROM t
SELECT a, rank() OVER (PARTITION BY b ORDER BY c DESC) AS r FROM t
SELECT * FROM (SELECT a, rank() OVER (PARTITION BY b ORDER BY c DESC) AS r FROM t) x WHERE r <= 3
SELECT string_agg(b, ', ' ORDER BY b) FROM t
SELECT json_agg(t) FROM t
SELECT array_agg(ROW(a, b)) FROM t
SELECT json_build_object('a', a, 'b', b) FROM t
SELECT jsonb_build_object('id', id, 'x', ARRAY[a, 1]) FROM t
SELECT j->'a'->>'b', (j->>'n')::int FROM u WHERE j @> '{"a": 1}' AND j ? 'k'
SELECT j #> '{a,b}', j #>> ARRAY['a', 'b'], j - 'a', j || '{"x": 1}' FROM u
SELECT unnest(tags), id FROM u
SELECT id, tag FROM u, unnest(tags) AS tag
SELECT id, tag, n FROM u CROSS JOIN LATERAL unnest(tags) WITH ORDINALITY AS x (tag, n)
SELECT tags || 'x', tags || ARRAY['x'], 'x' = ANY (tags), array_length(tags, 1), cardinality(tags) FROM u
SELECT tags @> ARRAY['x'], tags && '{a,b}', tags = '{}' FROM u
SELECT b IS NOT NULL AND b <> '' FROM t
SELECT d + '1 day', d - '1 day'::interval, d - now(), now() - '2020-01-01' FROM t
SELECT day + interval '1 day', day + 1, day - '2020-01-01' FROM u
SELECT '2020-01-01'::date - 5, '10:00'::time + '1 hour', '1 day'::interval * 2, interval '1 day' / 2
SELECT a / 2, a / 2.0, a * 1.5, a % 3, a ^ 2, c * 2, c / 3, c + a, c + 1.5::float8 FROM t
SELECT score + 1, score * c, score::numeric FROM t, u
SELECT s + s, s + 1, s * 2.0, -s, s::text FROM u
SELECT g + a, g * 1.5, g / a FROM t
SELECT 1 + 1.5, 1::float4 + 1::float8, 1::numeric + 1::float4, 5 / 2, 5 % 2.5
SELECT e || 1, 1 || e, b || c, e || e, 'x' || 1.5 FROM t
SELECT b = e, e = 'x', e LIKE 'x%', e IN ('x', 'y'), lower(e), length(e) FROM t
SELECT 'x'::char(3) = 'x', 'x'::char(3) || 'y', length('x'::char(3))
SELECT coalesce(e, 'x'), coalesce(e, b), coalesce(c, 0), coalesce(c, 1.5), coalesce(d, now()) FROM t
SELECT CASE WHEN f THEN c ELSE 0 END, CASE WHEN f THEN 'x' ELSE e END FROM t
SELECT greatest(d, '2020-01-01'), least(day, now()) FROM t, u
SELECT nullif(c, 0), nullif(e, ''), nullif('', e) FROM t
SELECT (a, b) = (1, 'x'), ROW(a, b) IS NOT NULL, (1, 2) < (2, 1) FROM t
SELECT ROW(1, 'x'), ROW(t.*), ROW(t.*, 1) FROM t
SELECT t.*::text FROM t
SELECT (SELECT count(*) FROM u) + 1, -(SELECT 1), (SELECT max(id) FROM u WHERE u.t_id = t.id) FROM t
SELECT NOT EXISTS (SELECT 1), 1 IN (SELECT 1), 1 = ANY (SELECT 1), 1 <> ALL (SELECT id FROM u)
SELECT ARRAY(SELECT id FROM u ORDER BY id), ARRAY(SELECT name FROM u)
SELECT 1 WHERE 'x' IN (SELECT name FROM u)
SELECT $1::int[], $2::jsonb, $3::uuid, $4::timestamptz, $5::numeric(10,2)
SELECT * FROM t WHERE id = ANY ($1::int[])
SELECT * FROM t WHERE b = ANY ($1) AND a = ANY ($2)
SELECT * FROM t WHERE ($1::text IS NULL OR b = $1)
SELECT * FROM t WHERE d BETWEEN $1 AND $2 ORDER BY d LIMIT $3
SELECT * FROM t WHERE d > now() - $1::interval
SELECT * FROM t WHERE d > now() - $1
SELECT * FROM t WHERE b ILIKE '%' || $1 || '%'
SELECT * FROM t WHERE (d, id) > ($1, $2) ORDER BY d, id LIMIT 10
SELECT $1 IN (1, 2), $2 BETWEEN 1 AND 2, $3 LIKE 'x', NOT $4
SELECT coalesce($1, 'x'), greatest($2, 1), nullif($3, 1), ARRAY[$4, 1.5]
SELECT count(*) FROM t WHERE a > $1 GROUP BY b HAVING count(*) > $2
SELECT -$1
SELECT -$1::int
SELECT $1 + interval '1 day'
SELECT $1 - $2::date
SELECT make_interval(days => $1)
SELECT now() AT TIME ZONE $1
SELECT generate_series($1, $2)
SELECT generate_series($1::date, $2, '1 day')
INSERT INTO t (id, a) SELECT $1, $2 UNION ALL SELECT $3, $4
INSERT INTO t (id, a, b) SELECT x, y, 'z' FROM two WHERE v = $1
INSERT INTO u (id, tags, j) VALUES ($1, $2, $3)
INSERT INTO t (id, c) VALUES ($1, $2 * 2), ($3, DEFAULT)
INSERT INTO t (id, a) VALUES ($1, coalesce($2, 5)) ON CONFLICT (id) DO UPDATE SET a = t.a + $3, b = $4
INSERT INTO t SELECT * FROM t
INSERT INTO nokey SELECT a, b FROM t WHERE a > 1 ORDER BY a LIMIT 5
INSERT INTO nokey (b, a) VALUES ('x', 1), (NULL, NULL), (5, '6')
INSERT INTO nokey VALUES (1)
INSERT INTO nokey (a) VALUES (1.6), ('7'), (NULL)
INSERT INTO nokey VALUES (1, 'x'), (2, now())
INSERT INTO nokey VALUES (1, 'x') RETURNING *, a * 2 AS twice, nokey
INSERT INTO nokey AS n VALUES (1, 'x') RETURNING n.a, n.*
INSERT INTO other.t VALUES (1, gen_random_uuid()), (2, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')
INSERT INTO other.t VALUES (1, 'nonsense')
INSERT INTO t (id, d) VALUES (1, 'infinity'), (2, now() + '1 day')
INSERT INTO t (id, e) VALUES (1, 5), (2, 'x')
INSERT INTO t (id, f) VALUES (1, 1)
INSERT INTO t (id, f) VALUES (1, 'x')
INSERT INTO t (t.id) VALUES (1)
INSERT INTO t (id) VALUES (1), (2), ('x')
INSERT INTO t (id) VALUES ($1), ($1 + 1)
INSERT INTO t (id, a) VALUES (1, DEFAULT + 1)
INSERT INTO t (id, a) SELECT 1, DEFAULT
UPDATE t SET a = $1::int + 1, c = $2, d = $3 WHERE id = ANY ($4)
UPDATE t SET b = $1 || b, f = NOT f WHERE b = $2 RETURNING id, b AS new_b
UPDATE t SET a = v.n FROM (VALUES (1, 2), (3, 4)) AS v (id, n) WHERE t.id = v.id
UPDATE t SET (a, b) = (u.id, u.name) FROM u WHERE u.t_id = t.id
UPDATE t SET (a, b) = (SELECT $1, $2)
UPDATE t SET (a, b) = 5
UPDATE t SET a = a.a FROM two a
UPDATE t AS x SET a = 1 FROM u AS y JOIN two ON y.id = two.x WHERE y.t_id = x.id
UPDATE t SET c = '12.345', d = 'now', e = 5
UPDATE t SET d = 5
UPDATE t SET f = 1
UPDATE t SET g = 1.5, a = 1.5, c = 1
UPDATE t SET a = (SELECT max(id) FROM u) + 1 WHERE EXISTS (SELECT 1 FROM u WHERE u.t_id = t.id)
DELETE FROM t WHERE (id, a) IN (SELECT t_id, id FROM u)
DELETE FROM t AS x USING u AS y WHERE x.id = y.t_id AND y.name = $1 RETURNING x.*, y.name
WITH d AS (DELETE FROM t WHERE a = $1 RETURNING *) SELECT count(*) FROM d
WITH n AS (INSERT INTO t (id, b) VALUES ($1, $2) RETURNING id) UPDATE u SET t_id = n.id FROM n WHERE u.id = $3
WITH RECURSIVE tree (id, parent, depth) AS (SELECT id, t_id, 1 FROM u WHERE t_id IS NULL UNION ALL SELECT u.id, u.t_id, depth + 1 FROM u JOIN tree ON u.t_id = tree.id) SELECT * FROM tree ORDER BY depth
WITH RECURSIVE f (a, b) AS (SELECT 0::numeric, 1::numeric UNION ALL SELECT b, a + b FROM f WHERE b < 100) SELECT a FROM f
WITH RECURSIVE p AS (SELECT ARRAY[id] AS path FROM t UNION ALL SELECT path || u.id FROM p JOIN u ON u.t_id = path[1]) SELECT * FROM p
WITH RECURSIVE x (e) AS (SELECT e FROM t UNION ALL SELECT e || 'x' FROM x) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n FROM x FOR UPDATE) SELECT * FROM x
WITH x AS (SELECT 1 AS a, 2 AS a) SELECT a FROM x
WITH x AS (SELECT 1) SELECT "?column?" FROM x
WITH x AS (VALUES (1, 'a')) SELECT column2, column1 FROM x
WITH x AS (SELECT * FROM x) SELECT * FROM x
WITH a AS (SELECT 1 AS n), b AS (WITH a AS (SELECT 'x' AS n) SELECT n FROM a) SELECT a.n, b.n FROM a, b
SELECT * FROM a, (WITH a AS (SELECT 1) SELECT * FROM a) b
SELECT a FROM t UNION ALL SELECT 1.5 UNION ALL SELECT g FROM t ORDER BY a DESC
SELECT a, b FROM t EXCEPT SELECT id, name FROM u ORDER BY b, 1
SELECT a FROM t UNION (SELECT b FROM t)
(SELECT 1 LIMIT 1) UNION ALL (SELECT 2 ORDER BY 1) ORDER BY 1 LIMIT 1
SELECT NULL AS x UNION ALL SELECT 'a' UNION ALL SELECT NULL
SELECT 'a' AS x UNION SELECT b FROM t UNION SELECT e FROM t
SELECT 1 UNION SELECT 2 FOR UPDATE
SELECT e FROM t UNION ALL SELECT 'x'
SELECT NULL::int, NULL UNION SELECT 1, '2020-01-01'::date
SELECT 1, 2 UNION SELECT 1
SELECT * FROM t UNION SELECT * FROM u
SELECT a FROM t INTERSECT ALL SELECT id FROM u
SELECT DISTINCT b, upper(b) FROM t ORDER BY upper(b)
SELECT DISTINCT b AS x FROM t ORDER BY b
SELECT DISTINCT b AS x FROM t ORDER BY x
SELECT DISTINCT a, count(*) FROM t GROUP BY a ORDER BY count(*)
SELECT DISTINCT ON (b) b, d FROM t ORDER BY b, d DESC
SELECT DISTINCT ON (x) b AS x, d FROM t ORDER BY x, d DESC
SELECT DISTINCT $1 FROM t
SELECT a FROM t ORDER BY $1
SELECT a FROM t ORDER BY b COLLATE "C"
SELECT a FROM t ORDER BY (SELECT 1)
SELECT a FROM t ORDER BY t
SELECT a x FROM t GROUP BY x HAVING x > 1
SELECT sum(a) AS total FROM t HAVING total > 1
SELECT a, sum(c) OVER (ORDER BY a) - sum(c) FROM t GROUP BY a
SELECT a, sum(c) OVER (ORDER BY a) - sum(c) FROM t GROUP BY a, c
SELECT b, sum(sum(a)) OVER (ORDER BY b) FROM t GROUP BY b
SELECT t.b FROM t JOIN u ON u.t_id = t.id GROUP BY u.id
SELECT coalesce(b, 'x') FROM t GROUP BY b
SELECT coalesce(b, 'x') FROM t GROUP BY coalesce(b, 'x')
SELECT upper(b) || c FROM t GROUP BY upper(b)
SELECT lower(upper(b)) FROM t GROUP BY upper(b)
SELECT 1 FROM t GROUP BY a HAVING b = 'x'
SELECT a FROM t GROUP BY a, 1
SELECT a AS a1, b FROM t GROUP BY a1, b ORDER BY a1 + 1
SELECT max(a) FROM t ORDER BY b
SELECT max(a) FROM t ORDER BY max(b)
SELECT count(*) FROM t LIMIT 1 OFFSET 1
SELECT array_agg(a ORDER BY b, c DESC) FILTER (WHERE f) FROM t
SELECT count(DISTINCT (a, b)) FROM t
SELECT count(DISTINCT a, b) FROM t
SELECT sum(DISTINCT a ORDER BY a) FROM t
SELECT sum(a ORDER BY nope) FROM t
SELECT max(tags), min(name), max(day) FROM u
SELECT max(j) FROM u
SELECT sum(f::int), avg(score), stddev(score), variance(c) FROM t, u
SELECT bit_and(a), every(f), bool_or(f), corr(a, g) FROM t
SELECT percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY score) FROM u
SELECT grouping(a) + grouping(b), a, b FROM t GROUP BY CUBE (a, b) HAVING grouping(a) = 0 ORDER BY grouping(a)
SELECT a, b, c, count(*) FROM t GROUP BY a, ROLLUP (b, c)
SELECT a, b FROM t GROUP BY GROUPING SETS (ROLLUP (a), CUBE (b))
SELECT a + 1 FROM t GROUP BY ROLLUP (a)
SELECT id, a FROM t GROUP BY ROLLUP (id)
SELECT lag(c, 1, 0) OVER (ORDER BY a) FROM t
SELECT lag(a, 1, 'x') OVER () FROM t
SELECT ntile(b) OVER () FROM t
SELECT first_value(a) OVER w, last_value(a) OVER w FROM t WINDOW w AS (ORDER BY b ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
SELECT sum(a) OVER (PARTITION BY nope) FROM t
SELECT sum(a) OVER (ORDER BY j) FROM t, u
SELECT sum(a) OVER (w2) FROM t WINDOW w1 AS (PARTITION BY b), w2 AS (w1 ORDER BY a)
SELECT count(*) OVER (RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM t
SELECT sum(a) OVER (ORDER BY c RANGE BETWEEN 1.5 PRECEDING AND '2' FOLLOWING) FROM t
SELECT sum(a) OVER (ORDER BY d RANGE 1 PRECEDING) FROM t
SELECT x.y FROM t
SELECT t.x.y FROM t
SELECT a.b.c.d FROM t
SELECT postgres.public.t.a FROM t
SELECT u.a FROM t JOIN u ON true
SELECT t.name FROM t JOIN u ON true
SELECT nme FROM u
SELECT namee, t.bb FROM u, t
SELECT ID, "ID" FROM t
SELECT "A" FROM t
SELECT tablename FROM t
SELECT t.a FROM t x JOIN t y ON x.id = y.id
SELECT z.a FROM t x
SELECT x.a FROM t x JOIN LATERAL (SELECT y.a FROM t y WHERE y.id = x.id) z ON z.a = y.a
SELECT * FROM t x JOIN (SELECT x.a) y ON true
SELECT * FROM t x, LATERAL (SELECT count(*) FROM u WHERE u.t_id = x.id) y
SELECT * FROM t x, LATERAL (SELECT sum(x.a)) y
SELECT * FROM t x JOIN generate_series(1, x.a) n ON n > x.id
SELECT * FROM generate_series(1, 2) a, generate_series(a, 3) b
SELECT * FROM generate_series('2020-01-01'::timestamptz, now(), '1 day') AS day
SELECT day::date FROM generate_series('2020-01-01'::date, '2020-02-01', '1 day') AS day
SELECT * FROM jsonb_array_elements('[1,2]') AS e, jsonb_each_text('{"a":1}') AS kv
SELECT kv.key, value FROM u, jsonb_each_text(j) AS kv
SELECT * FROM json_each('{}') AS x (k, v)
SELECT * FROM regexp_split_to_table('a b', ' ') AS w
SELECT * FROM now(), current_date
SELECT * FROM current_date AS x
SELECT * FROM coalesce(1, 2)
SELECT * FROM abs(-1) WITH ORDINALITY
SELECT * FROM nope(1)
SELECT * FROM unnest('{1,2}'::int[]) WITH ORDINALITY AS x (v, i) WHERE i > 1
SELECT (x).a FROM (SELECT t AS x FROM t) y
SELECT (x).* FROM (SELECT t AS x FROM t) y
SELECT (y.x).b FROM (SELECT t AS x FROM t) y
SELECT (SELECT t FROM t LIMIT 1)
SELECT x FROM (SELECT ROW(1, 'a') AS x) y
SELECT t = t, t IS NULL, t < t FROM t
SELECT t.a::varchar(3), t.b::char(2)::text, a::varchar FROM t
SELECT b::int8, d::text, f::text, c::text, c::float8, g::int2 FROM t
SELECT 'a'::text::int, '5'::int8::int4, 5::text, 5.5::int, true::text
SELECT '2020-01-01'::date::timestamptz, now()::date::text, '10:00'::time::interval
SELECT '{"a":1}'::json::jsonb, j::json, '1'::jsonb::int FROM u
SELECT a::uuid FROM t
SELECT f::numeric FROM t
SELECT d::bigint FROM t
SELECT j::date FROM u
SELECT tags::int[] FROM u
SELECT tags::text FROM u
SELECT 'now'::timestamptz IS NULL
SELECT interval '1 day' > '1 hour', '1 day'::interval::text
SELECT E'a\tb', 'it''s', U&'\0041', $$x$$
SELECT 1 AS "select", 2 AS from_, 3 "Mixed Case"
SELECT a b FROM t c
SELECT 1::int4, 1::integer, 1::int, 1::decimal, 1::dec(5,1), 1::real, 1::double precision, 1::float(10), 1::float
SELECT 'x'::character varying(5), 'x'::character(5), 'x'::bpchar, 't'::bool
SELECT position('a' in 'abc'), overlay('abc' placing 'x' from 2), substring('abc' from 2), substring('abc' from '.'), trim(both 'x' from 'xax')
SELECT current_schema, current_catalog, session_user, user
SELECT localtimestamp(0), localtime(2), current_time(1)
SELECT 5 BETWEEN 1 AND 10, 5 NOT BETWEEN SYMMETRIC 10 AND 1
SELECT 'a' IS DISTINCT FROM NULL, NULL IS DISTINCT FROM NULL
SELECT a IS UNKNOWN FROM t
SELECT f IS NOT UNKNOWN, (a > 1) IS TRUE FROM t
SELECT 'x' IS TRUE
SELECT 1 < 2 AND 3
SELECT NOT 'x'
SELECT NOT 't', 'f' OR true
SELECT a > ALL ('{1,2}'), a = ANY (tags) FROM t, u
SELECT id FROM t WHERE a = (SELECT a, b FROM t)
SELECT id FROM t WHERE a = (SELECT b FROM t)
SELECT id FROM t WHERE (a, b) = (SELECT 1, 2)
SELECT id FROM t WHERE (a, b) NOT IN (SELECT 1, 'x')
SELECT id FROM t WHERE ROW(a) IN (SELECT 1)
SELECT id FROM t WHERE a IN ((SELECT 1), 2)
SELECT id FROM t WHERE a IN (NULL, 1)
SELECT id FROM t WHERE NULL IN (1, 2)
SELECT id FROM t WHERE 'x' IN ('a', b)
SELECT id FROM t WHERE d IN ('2020-01-01', now())
SELECT id FROM t WHERE c IN (1, 2.5, '3')
SELECT id FROM t WHERE e NOT IN ('a', 'b')
SELECT id FROM t WHERE g IN (1, 99999999999)
SELECT id FROM t WHERE f IN (true, 'no')
SELECT id FROM t WHERE f = 1
SELECT id FROM t WHERE f > 'x'
SELECT id FROM t WHERE d = a
SELECT id FROM t WHERE d + a > now()
SELECT id FROM t WHERE c LIKE '1%'
SELECT id FROM u WHERE day = '2020-01-01' AND day < now() AND day >= current_date - 7
SELECT id FROM u WHERE s = 5 AND s = '5' AND s = 5::bigint AND s IN (1, 2)
SELECT id FROM u WHERE j = '{}' AND j = '{}'::json
SELECT id FROM u WHERE tags IS NULL OR tags = ARRAY['x']
SELECT id FROM u WHERE score = 1 AND score = 1.5 AND score > a
SELECT upper(nope) FROM t
SELECT round(score, 2) FROM u
SELECT round(score::numeric, 2), trunc(c), ceil(a), floor(score) FROM t, u
SELECT substr(a, 1) FROM t
SELECT left(b, '2'), lpad(b, 5, '0'), replace(b, 'a', NULL), split_part(b, ',', 1) FROM t
SELECT to_char(d, 'YYYY'), to_char(a, '999'), to_char(c, 'FM9'), to_date('2020', 'YYYY'), to_timestamp(0), to_number('1', '9') FROM t
SELECT age(d), age(d, now()), date_part('year', d), justify_days('1 day') FROM t
SELECT random(), pi(), md5(b), gen_random_uuid(), version() FROM t
SELECT array_to_string(tags, ','), string_to_array(name, ','), array_append(tags, 'x'), array_position(tags, name) FROM u
SELECT array_append(tags, 1) FROM u
SELECT array_append(ARRAY[1], 'x')
SELECT array_cat(ARRAY[1], ARRAY[2.5]), ARRAY[1] || ARRAY[2], ARRAY[1] || 2, 1 || ARRAY[2]
SELECT ARRAY[1] || 'x'
SELECT ARRAY[1] || ARRAY['x']
SELECT pg_typeof(a), pg_typeof('x'), num_nulls(1, NULL) FROM t
SELECT * FROM (SELECT count(*) FROM t) x FOR UPDATE
SELECT * FROM (SELECT DISTINCT a FROM t) x FOR UPDATE
SELECT * FROM (SELECT 1 UNION SELECT 2) x FOR KEY SHARE
SELECT * FROM (SELECT a FROM t) x, u FOR UPDATE OF x
SELECT * FROM (VALUES (1)) x FOR UPDATE
SELECT a.x FROM (SELECT t.a AS x FROM t ORDER BY t.b) a
SELECT t.a FROM t WHERE t.a = (SELECT t.a)
SELECT count(*) FROM t, LATERAL (SELECT 1 WHERE t.a > 0) x GROUP BY t.b HAVING min(t.a) > 0
SELECT (SELECT count(t.a) FROM u GROUP BY u.id LIMIT 1) FROM t
SELECT (SELECT (SELECT sum(t.a))) FROM t
SELECT sum((SELECT u.id FROM u WHERE u.t_id = t.id LIMIT 1)) FROM t
SELECT sum((SELECT sum(t.a))) FROM t
SELECT (SELECT sum(sum(t.a))) FROM t
SELECT a FROM t GROUP BY a HAVING EXISTS (SELECT 1 FROM u WHERE u.id = t.b::int)
SELECT a FROM t GROUP BY a HAVING a IN (SELECT id FROM u)
SELECT a FROM t GROUP BY a HAVING b IN (SELECT name FROM u)
SELECT a, EXISTS (SELECT 1 FROM u WHERE u.id = a) FROM t GROUP BY a
SELECT a, (SELECT sum(u.id + t.a) FROM u) FROM t GROUP BY a
SELECT max(a) + (SELECT max(u.id) FROM u WHERE u.id > max(t.a)) FROM t
SELECT 1 FROM t WHERE EXISTS (SELECT 1 FROM u HAVING count(*) > t.a)
SELECT 1 FROM t WHERE EXISTS (SELECT 1 FROM u HAVING sum(t.a) > 1)
SELECT a FROM t ORDER BY (SELECT count(*) FROM u WHERE u.id = t.a)
SELECT DISTINCT (SELECT count(*) FROM u WHERE u.id = t.a) FROM t
SELECT * FROM t JOIN u ON t.id = u.t_id AND EXISTS (SELECT 1 FROM two WHERE x = t.id)
SELECT * FROM t JOIN u ON EXISTS (SELECT 1 FROM two WHERE x = y1)
SELECT * FROM t LEFT JOIN u ON t.id = u.id, two WHERE two.x = u.id AND t.a = y
SELECT t.id, u.id, two.x FROM t, u, two WHERE t.id = u.id
SELECT * FROM t a JOIN t b ON a.id = b.id JOIN t c ON c.id = a.id
SELECT * FROM t a JOIN t b USING (id) JOIN t c USING (id)
SELECT a FROM t a JOIN t b USING (id)
SELECT a.a, b.a, id FROM t a JOIN t b USING (id)
SELECT * FROM t NATURAL LEFT JOIN nokey
SELECT b.* FROM t a NATURAL JOIN t b
SELECT id FROM (SELECT * FROM t JOIN u ON t.id = u.id) x
SELECT x.id FROM (SELECT t.*, u.id AS uid FROM t JOIN u ON t.id = u.id) x
SELECT * FROM (t CROSS JOIN u) x
SELECT x.b FROM (t CROSS JOIN nokey) x
SELECT * FROM (t x CROSS JOIN u y) z (c1, c2)
SELECT z.c1 FROM (t x CROSS JOIN u y) z (c1, c2)
SELECT x.id FROM (t x CROSS JOIN u y) z (c1, c2)
SELECT * FROM t JOIN (SELECT 1 AS id, 'x'::text AS b) v USING (id, b)
SELECT * FROM nokey n1 FULL JOIN nokey n2 USING (a) FULL JOIN nokey n3 USING (a)
SELECT a, count(*) FROM nokey n1 FULL JOIN nokey n2 USING (a) GROUP BY a
SELECT a, n1.a FROM nokey n1 FULL JOIN nokey n2 USING (a) GROUP BY a
SELECT s, count(*) FROM u JOIN (SELECT 1::bigint AS s) x USING (s) GROUP BY s
SELECT s FROM u LEFT JOIN (SELECT 1::bigint AS s) x USING (s)
SELECT s FROM u FULL JOIN (SELECT 1.5 AS s) x USING (s)
SELECT * FROM u JOIN (SELECT 'x' AS s) x USING (s)
SELECT tags[1] FROM u GROUP BY tags
SELECT tags[1] FROM u GROUP BY tags[1]
SELECT a FROM t GROUP BY t.a
SELECT t.a FROM t GROUP BY a
SELECT public.t.a FROM t GROUP BY t.a
SELECT x.a FROM t x GROUP BY x.id
SELECT (t).a FROM t GROUP BY a
SELECT (t).a FROM t GROUP BY id
SELECT t.* FROM t JOIN u ON true GROUP BY t.id, u.id
SELECT u.name FROM t JOIN u USING (id) GROUP BY id
SELECT t.b FROM t JOIN u USING (id) GROUP BY id
SELECT t.b FROM t RIGHT JOIN u USING (id) GROUP BY id
SELECT case a when 1 then 'x' end FROM t GROUP BY a
SELECT a + b::int FROM t GROUP BY a, b
SELECT a || '' FROM t GROUP BY a || ''
SELECT 'x' || a FROM t GROUP BY a
SELECT count(*), 'x' FROM t
SELECT count(*), now(), $1::int FROM t
SELECT b FROM t GROUP BY b ORDER BY max(a), b
SELECT b, max(a) m FROM t GROUP BY b ORDER BY m DESC NULLS LAST, 1
SELECT b FROM t GROUP BY b ORDER BY a
SELECT a FROM t ORDER BY a + 'x'
SELECT a AS n FROM t ORDER BY -n
SELECT a FROM t ORDER BY u.id
SELECT a FROM t UNION SELECT 1 ORDER BY t.a
SELECT a FROM t UNION SELECT 1 ORDER BY a DESC NULLS LAST LIMIT 5
SELECT a FROM t UNION SELECT 1 ORDER BY nope
SELECT a x FROM t UNION SELECT 1 ORDER BY x, a
INSERT INTO t (id, a) SELECT a, count(*) FROM t GROUP BY a
INSERT INTO t (id, b) SELECT 1, NULL
INSERT INTO t (id, b) SELECT DISTINCT 1, 'x' FROM u
INSERT INTO t (id, a) SELECT DISTINCT 1, '5'
INSERT INTO t (id, d) SELECT id, day FROM u
INSERT INTO u (id, day) SELECT id, d FROM t
INSERT INTO t (id, f) SELECT id, s FROM u
INSERT INTO t (id, e) SELECT id, name FROM u RETURNING e
INSERT INTO t (id, a) (VALUES (1, 2))
INSERT INTO t (id, a) VALUES (1, 2) ORDER BY 1
INSERT INTO t (id, a) VALUES (1, '2'), (3, 4) LIMIT 1
INSERT INTO t (id, a) SELECT * FROM (VALUES (1, 2)) v
INSERT INTO t (id, a) SELECT * FROM (VALUES (1, '2')) v
INSERT INTO t (id, a) TABLE two
INSERT INTO t (id) VALUES (t.a)
INSERT INTO t (id) VALUES ((SELECT a FROM t LIMIT 1))
INSERT INTO t (id, a) VALUES (1, 2) RETURNING (SELECT count(*) FROM u WHERE u.id = t.id)
INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = (SELECT max(id) FROM u WHERE u.id = excluded.id)
INSERT INTO t (id) VALUES (1) ON CONFLICT (id) WHERE a > 1 DO NOTHING
INSERT INTO t AS excluded (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1
UPDATE t SET a = t.a + 1 FROM u t2 WHERE t2.id = t.id AND t2.name = 'x'
UPDATE t SET a = x FROM two WHERE y = id
UPDATE t SET b = (SELECT name FROM u WHERE u.id = t.id), a = DEFAULT
UPDATE t SET (a, g) = (SELECT count(*), max(id) FROM u) WHERE f
UPDATE t SET (a, a) = (1, 2)
UPDATE t SET (a, b) = (SELECT 1, 'x' FROM u WHERE u.id = t.nope)
UPDATE t SET a = $1 RETURNING $2::text, a
UPDATE two SET (x, y, v) = ROW(1, 2, DEFAULT)
WITH x AS (SELECT id FROM t FOR UPDATE) UPDATE t SET a = 1 FROM x WHERE x.id = t.id
WITH x AS (UPDATE t SET a = 1 RETURNING id), y AS (DELETE FROM u WHERE t_id IN (SELECT id FROM x) RETURNING *) SELECT * FROM y
DELETE FROM t WHERE id IN (SELECT x FROM two) AND a = ANY ($1) RETURNING (SELECT max(id) FROM u)
DELETE FROM t USING (SELECT t.id) x
DELETE FROM t x USING t y WHERE x.a = y.a AND x.id > y.id
SELECT a FROM t ORDER BY true
SELECT a FROM t ORDER BY NULL
VALUES (1, 'a'), (nope)
VALUES (1, 2), (true OR $1)
SELECT nope FROM t UNION SELECT 1 FOR UPDATE
SELECT sum(a) OVER (ORDER BY a RANGE BETWEEN 'x' PRECEDING AND CURRENT ROW) FROM t
SELECT sum(s) OVER (ORDER BY s RANGE BETWEEN '1' PRECEDING AND 2 FOLLOWING) FROM u
SELECT count($1)
SELECT concat($1, 'x')
SELECT format('%s', $1)
INSERT INTO t (id) VALUES (1) ON CONFLICT (id) WHERE a > nope DO NOTHING
SELECT date(d), int4(true), numeric(5), float8(a), timestamptz(day), text(5), name(b), int8(a), bpchar(b), date(now()), int4(1.5), varchar(b), timestamp(now()), interval('1 day') FROM t, u
SELECT date(d), int4(true), float8(a), timestamptz(day), text(5), name(b), int8(a), bpchar(b), date(now()), int4(1.5) FROM t, u
SELECT date(a) FROM t
SELECT text(f), int2(a), float4(c), jsonb(j), bool(a) FROM t, u
SELECT uuid(b) FROM t
SELECT int4(b) FROM t
SELECT date('2020-01-01'), date(b) FROM t
SELECT '{}'::json[] AS x ORDER BY x
-- networks
SELECT $1::inet, $2::cidr, host($3), inet '1.2.3.4' << $4, network($5) = $6, $7 + inet '1.2.3.4', inet '1.2.3.4' - $8
SELECT inet '1.2.3.4' = ANY ($1), $1::inet[] || cidr '10/8', abbrev($2), set_masklen($3, $4)
SELECT inet '1.2.3.4' + $1::int, max($2::cidr), min($3::inet), family($3)
SELECT $1 << $2
SELECT $1 & $2
SELECT ~ $1
SELECT inet('1.2.3.4'), cidr('10/8'), text($1::inet), $2::inet::text, $3::cidr::inet
SELECT inet '1.2.3.4', cidr('10/8'), host(inet '1.2.3.4'), ARRAY[inet '::1'], inet '1.2.3.4' || 'x'
SELECT $1::macaddr, $2::macaddr8, trunc($3::macaddr), macaddr '08002b010203' & $4, macaddr8 '08002b010203' = $5, macaddr8_set7bit($6)
SELECT macaddr '08002b010203' = macaddr8 '08002b010203', trunc($1)
