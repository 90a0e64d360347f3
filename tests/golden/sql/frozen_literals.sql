-- DEFAULT, GENERATED and CHECK keep the literals that the statement's settings gave their meaning
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'SQL, DMY';
CREATE TABLE f (
    id int PRIMARY KEY, tz timestamptz DEFAULT '2024-01-01', d date DEFAULT '02/03/2024',
    late boolean GENERATED ALWAYS AS (tz < '2024-01-01 12:00') STORED,
    early boolean GENERATED ALWAYS AS (d >= '02/03/2024') STORED,
    name varchar DEFAULT '01/02/2024', n interval DEFAULT '-1 2:03:04',
    CONSTRAINT after CHECK (tz >= '2024-01-01'),
    CONSTRAINT spring CHECK (d > '01/03/2024' AND name IN ('a', 'b', '01/02/2024')),
    CONSTRAINT zoned CHECK (tz::date > '01/01/2023'),
    CONSTRAINT whole CHECK (f.* IS NOT NULL AND tz > '2020-01-01'),
    CONSTRAINT several CHECK (d IN ('02/03/2024', '03/03/2024') OR tz BETWEEN '2024-01-01' AND '2025-01-01 10:00 -3')
);
ALTER TABLE f ADD CONSTRAINT added CHECK (f.tz > '2024-01-01 00:00' OR id > 0) NOT VALID;
ALTER TABLE f ALTER COLUMN d SET DEFAULT '04/03/2024';
INSERT INTO f (id) VALUES (1);
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'sql_standard';
INSERT INTO f (id) VALUES (2) RETURNING *;
INSERT INTO f (id, tz) VALUES (3, '2023-12-31 14:59');
INSERT INTO f (id, tz) VALUES (3, '2023-12-31 15:01'), (4, '2024-01-01 02:59'), (5, '2024-01-01 03:01');
INSERT INTO f (id, d) VALUES (6, '2024-03-01');
INSERT INTO f (id, d) VALUES (6, '2024-03-02'), (7, '2024-03-05');
INSERT INTO f (id, name) VALUES (8, 'a'), (9, 'c');
INSERT INTO f (id, tz, d) VALUES (9, '2025-01-01 13:01Z', '2024-03-05');
INSERT INTO f (id, tz, d) VALUES (9, '2025-01-01 12:59Z', '2024-03-05');
UPDATE f SET tz = tz + interval '1 hour' WHERE id IN (4, 5) RETURNING id, tz, late;
SELECT * FROM f ORDER BY id;
SELECT conname, pg_get_constraintdef(oid), pg_get_constraintdef(oid, true) FROM pg_constraint WHERE conrelid = 'f'::regclass AND contype = 'c' ORDER BY 1;
SELECT attname, pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE adrelid = 'f'::regclass AND attname <> 'n' ORDER BY 1;
-- LIKE takes them along
ALTER TABLE f DROP CONSTRAINT whole;
SET TimeZone = 'America/New_York';
CREATE TABLE l (LIKE f INCLUDING ALL);
SET TimeZone = 'Europe/Berlin';
INSERT INTO l (id) VALUES (1) RETURNING *;
INSERT INTO l (id, tz) VALUES (3, '2023-12-31 14:59Z');
INSERT INTO l (id, tz) VALUES (3, '2023-12-31 15:01Z');
RESET ALL;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'l'::regclass AND contype = 'c' ORDER BY 1;
SET TimeZone = 'Europe/Berlin';
-- functions stay functions
CREATE TABLE m (id int PRIMARY KEY, a timestamptz DEFAULT now(), b timestamptz DEFAULT CURRENT_TIMESTAMP(3), c date DEFAULT CURRENT_DATE + interval '1 day', CHECK (a <= CURRENT_TIMESTAMP AND a > '2024-01-01'));
RESET ALL;
SELECT attname, pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE adrelid = 'm'::regclass ORDER BY 1;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'm'::regclass AND contype = 'c';
INSERT INTO m (id) VALUES (1);
-- a table that its own expressions name gets another name
CREATE TABLE c (id int PRIMARY KEY, a int, e varchar, b int GENERATED ALWAYS AS (c.a * 2) STORED, CONSTRAINT pos CHECK (c.a > 0), CONSTRAINT plain CHECK (e IN ('x', 'y')), CONSTRAINT named CHECK (c.e IN ('x', 'y')), CONSTRAINT whole CHECK (c.* IS NOT NULL OR a < 100));
ALTER TABLE c RENAME TO "C d";
INSERT INTO "C d" VALUES (1, 5, 'x') RETURNING *;
INSERT INTO "C d" VALUES (2, 0, 'x');
INSERT INTO "C d" VALUES (2, 1, 'z');
INSERT INTO "C d" VALUES (2, 100);
UPDATE "C d" SET a = 7 RETURNING *;
SELECT conname, pg_get_constraintdef(oid), pg_get_constraintdef(oid, true) FROM pg_constraint WHERE conrelid = '"C d"'::regclass AND contype = 'c' ORDER BY 1;
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = '"C d"'::regclass;
ALTER TABLE "C d" RENAME COLUMN a TO c;
ALTER TABLE "C d" RENAME TO e;
ALTER TABLE e RENAME TO c;
UPDATE c SET c = 8 RETURNING *;
UPDATE c SET c = 0;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'c'::regclass AND contype = 'c' AND conname IN ('pos', 'whole') ORDER BY 1;
DROP TABLE f, l, m, c;
