-- Ranges and multiranges in statements with tables: columns have none, expressions have.

CREATE TABLE booking (id int PRIMARY KEY, room int, first date, last date, price numeric(10,2),
    CHECK (daterange(first, last, '[]') <@ '[2000-01-01,2100-01-01)'::daterange));
INSERT INTO booking VALUES (1, 1, '2024-01-01', '2024-01-03', 10), (2, 1, '2024-01-04', '2024-01-05', 20.50),
    (3, 2, '2024-01-02', '2024-01-02', 30), (4, 2, NULL, '2024-02-01', NULL), (5, 1, '2024-01-03', '2024-01-10', 5);
INSERT INTO booking VALUES (6, 1, '1999-12-31', '2000-01-02', 1);
INSERT INTO booking VALUES (7, 1, '2024-01-05', '2024-01-01', 1);
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'booking'::regclass AND contype = 'c';

SELECT id, daterange(first, last, '[]') AS days, upper(daterange(first, last, '[]')) - lower(daterange(first, last, '[]'))
    FROM booking ORDER BY days, id;
SELECT room, range_agg(daterange(first, last, '[]')) AS taken, range_intersect_agg(daterange(first, last, '[]')) AS common
    FROM booking GROUP BY room ORDER BY room;
SELECT a.id, b.id FROM booking a JOIN booking b ON a.id < b.id AND a.room = b.room
    AND daterange(a.first, a.last, '[]') && daterange(b.first, b.last, '[]') ORDER BY 1, 2;
SELECT a.id, b.id FROM booking a JOIN booking b ON daterange(a.first, a.last, '[]') -|- daterange(b.first, b.last, '[]');
SELECT room, unnest(range_agg(daterange(first, last, '[]'))) FROM booking GROUP BY room ORDER BY 1, 2;
SELECT r, ordinality FROM unnest('{[1,3),[5,8)}'::int4multirange) WITH ORDINALITY AS u(r, ordinality);
SELECT * FROM unnest('{[1,3),[5,8)}'::int4multirange, ARRAY[1, 2, 3]);
SELECT * FROM unnest('{[1,3),[5,8)}'::int4multirange);
SELECT unnest('{[1,3),[5,8)}');
SELECT id FROM booking WHERE '2024-01-03' <@ daterange(first, last, '[]') ORDER BY id;
SELECT id FROM booking WHERE daterange(first, last, '[]') @> '2024-01-03' ORDER BY id;
SELECT id FROM booking WHERE daterange(first, last, '[]') @> '2024-01-03'::date ORDER BY id;
SELECT id FROM booking WHERE daterange(first, last, '[]') IN ('[2024-01-02,2024-01-03)', 'empty') ORDER BY id;
SELECT id FROM booking WHERE daterange(first, last, '[]') = ANY ('{"[2024-01-02,2024-01-03)"}'::daterange[]) ORDER BY id;
SELECT id FROM booking WHERE first <@ ANY (ARRAY[daterange('2024-01-01', '2024-01-03')]) ORDER BY id;
SELECT DISTINCT ON (numrange(price, price, '[]')) id FROM booking ORDER BY numrange(price, price, '[]') DESC, id;
SELECT count(DISTINCT numrange(price, NULL)), min(price) FILTER (WHERE numrange(5, 20.5) @> price) FROM booking;
SELECT CASE WHEN isempty(int4range(id, 3)) THEN int4range(1, 2) ELSE 'empty' END FROM booking WHERE id <= 3 ORDER BY id;
SELECT id FROM booking WHERE int4range(id, 3) IS NOT NULL ORDER BY id;
SELECT coalesce(NULL, int4range(1, 2)), nullif(int4range(1, 3), '[1,2]'), greatest(int4range(1, 3), int4range(2, 3), 'empty');
SELECT int4range(1, 2) UNION SELECT int8range(1, 2);
SELECT int4range(1, 2) = int8range(1, 2);
SELECT int4range(1, 5) + 1;
SELECT int4range(1, 5) @> 2.5;
SELECT int4range(1, 5) @> 2::bigint;
SELECT numrange(1, 5) @> 2;
SELECT int8range(1, 5) @> 2;
SELECT int8range(1, 5) @> 2::int8;
SELECT int4multirange(int4range(1, 2), NULL);
SELECT int4multirange(VARIADIC NULL), int4multirange(NULL), int4multirange();
SELECT int4multirange(VARIADIC ARRAY[[int4range(1, 2)], [int4range(3, 4)]]);
SELECT int4multirange(int4range(1, 2), int4range(2, 3), '[7,9]');
SELECT int4multirange(int8range(1, 2));
SELECT multirange(int4range(1, 2)), int4range(1, 2)::int4multirange, CAST('empty'::int4range AS int4multirange);
SELECT int4range(1, 2)::int8multirange;
SELECT '{[1,2)}'::int4multirange::int4range;
SELECT '[1,2)'::text::int4range, int4range(1, 2)::text || '!', int4range(1, 2) || '!';
SELECT int4range(3, 1), 1;
SELECT int4range(1, 2, 'x');
SELECT int4range(1);
SELECT int4range('[1,4)'), numrange('(1,2.0]'), int4multirange('{}');
SELECT int4range(1, 2.5);
SELECT lower('a'), lower(NULL), upper('b'), lower(int4range(1, NULL)), upper(int4range(1, NULL));
SELECT lower(ARRAY[1]);
SELECT range_merge('{[1,2),[5,7)}'::int4multirange), range_merge(int4range(1, 2), int4range(5, 7));
SELECT range_merge(int4range(1, 2), int8range(5, 7));
SELECT min(int4range(1, 2));
SELECT sum(int4range(1, 2));
SELECT to_jsonb(int4range(1, 2)), json_build_object('r', int4range(1, 2), 'm', '{[1,2)}'::int4multirange);
SELECT row_to_json(r) FROM (SELECT int4range(1, 2) AS a, ARRAY[int4range(1, 2)] AS b) r;
SELECT format('%s %L', int4range(1, 2), '{(,)}'::nummultirange), quote_nullable(int4range(1, 2));
SELECT array_agg(r ORDER BY r DESC), array_position(array_agg(r ORDER BY r), 'empty') FROM (VALUES (int4range(1, 2)),
    ('empty'), ('(,)'), (NULL)) v(r);
SELECT (ARRAY[int4range(1, 2), int4range(3, 4)])[2], array_append(ARRAY[int4range(1, 2)], '[3,4]'),
    ARRAY[int4range(1, 2)] @> ARRAY['[1,1]'::int4range], ARRAY[int4range(1, 2)] || int4range(3, 4);
SELECT r, rank() OVER (ORDER BY r), lag(r) OVER (ORDER BY r), range_agg(r) OVER (ORDER BY r)
    FROM (VALUES (int4range(1, 2)), (int4range(1, 2)), (int4range(5, 8)), (int4range(0, 9))) v(r) ORDER BY r;
SELECT 'int4range'::regtype, 'int4range[]'::regtype, '3904'::regtype, pg_typeof(int4range(1, 2)),
    format_type(4451, NULL), 'lower(anyrange)'::regprocedure;
SELECT '[1,2)'::int4range(3);
SELECT 'x'::pg_catalog.int4range;
-- differs: binary (it has none)
SELECT NULL::anyrange;
SELECT '[1,2)'::anymultirange;
SET timezone = 'America/New_York';
SELECT '[2024-01-01 00:00,2024-01-01 12:00+00]'::tstzrange, tstzrange('2024-03-10 02:30', NULL, '()');
SELECT '{[2024-01-01 00:00,2024-01-01 12:00+00]}'::tstzmultirange @> '2024-01-01 07:00'::timestamptz;
SET datestyle = 'German';
SELECT '[2024-01-01 00:00,2024-01-01 12:00+00]'::tstzrange, daterange('2024-01-01', '2024-02-01'),
    '[01.02.2024,02.02.2024]'::daterange;
CREATE TABLE shown (a timestamptz, b text GENERATED ALWAYS AS (upper(int4range(1, 5))::text) STORED,
    CHECK (a <@ '[2024-01-01,2025-01-01)'::tstzrange));
INSERT INTO shown VALUES ('2024-12-31 23:00');
RESET timezone;
RESET datestyle;
INSERT INTO shown VALUES ('2025-01-01 04:59:59+00');
INSERT INTO shown VALUES ('2025-01-01 05:00:00+00');
SELECT * FROM shown ORDER BY a;
CREATE TABLE wrong (a text GENERATED ALWAYS AS (tstzrange('2024-01-01', NULL)::text) STORED);
CREATE TABLE wrong (a text GENERATED ALWAYS AS (int4range(1, 2)::text) STORED);
