-- Queries whose rows are equal by nature on both servers: same objects, same facts. A block is `-- name` and its query.

-- columns
SELECT * FROM information_schema.columns WHERE table_schema IN ('public', 'app')

-- system columns
SELECT table_schema, table_name, column_name, ordinal_position, data_type, is_nullable
    FROM information_schema.columns WHERE table_name IN ('pg_class', 'pg_tables', 'tables', 'columns')

-- tables
SELECT * FROM information_schema.tables WHERE table_schema IN ('public', 'app')

-- schemata
SELECT * FROM information_schema.schemata WHERE schema_name IN ('public', 'app')

-- table_constraints
SELECT * FROM information_schema.table_constraints
    WHERE table_schema IN ('public', 'app') AND constraint_name NOT LIKE '%not_null'

-- not null constraints
SELECT table_name, constraint_type, count(*) FROM information_schema.table_constraints
    WHERE table_schema IN ('public', 'app') GROUP BY table_name, constraint_type

-- check_constraints
SELECT * FROM information_schema.check_constraints
    WHERE constraint_schema = 'public' AND constraint_name NOT LIKE '%not_null'

-- not null clauses
SELECT check_clause FROM information_schema.check_constraints
    WHERE constraint_schema = 'public' AND constraint_name LIKE '%not_null'

-- key_column_usage
SELECT * FROM information_schema.key_column_usage WHERE table_schema = 'public'

-- constraint_column_usage
SELECT * FROM information_schema.constraint_column_usage WHERE table_schema = 'public'

-- constraint_table_usage
SELECT * FROM information_schema.constraint_table_usage WHERE table_schema = 'public'

-- table_privileges
SELECT * FROM information_schema.table_privileges WHERE table_schema IN ('public', 'app')

-- role_table_grants
SELECT * FROM information_schema.role_table_grants WHERE table_schema = 'public'

-- column_privileges
SELECT * FROM information_schema.column_privileges WHERE table_schema = 'public'

-- pg_attribute
SELECT c.relname, attname, atttypid, attlen, attnum, attcacheoff, atttypmod, attndims, attbyval,
    attalign, attstorage, attcompression, attnotnull, atthasdef, atthasmissing, attidentity, attgenerated,
    attisdropped, attislocal, attinhcount, attstattarget, attcollation, attacl, attoptions, attmissingval
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE nspname IN ('public', 'app') AND attnum > 0 AND relkind = 'r'

-- pg_attrdef
SELECT adrelid::regclass, adnum, pg_get_expr(adbin, adrelid), pg_get_expr(adbin, adrelid, true)
    FROM pg_attrdef

-- pg_index
SELECT indexrelid::regclass, indrelid::regclass, indnkeyatts, indisunique, indnullsnotdistinct,
    indisprimary, indisexclusion, indimmediate, indisclustered, indisvalid, indcheckxmin, indisready, indislive,
    indisreplident, indcollation, indclass, indoption, pg_get_expr(indexprs, indrelid),
    pg_get_expr(indpred, indrelid) FROM pg_index
    WHERE indrelid::regclass::text IN ('t', '"Weird-T"', 'app.nopk')

-- secondary pg_index
SELECT indexrelid::regclass, indnatts, indkey FROM pg_index
    WHERE NOT indisprimary AND indrelid::regclass::text IN ('t', '"Weird-T"')

-- pg_constraint
SELECT conname, connamespace::regnamespace, contype, condeferrable, condeferred, convalidated,
    conrelid::regclass, contypid, conindid::regclass, conparentid, confrelid, confupdtype, confdeltype,
    confmatchtype, conislocal, coninhcount, connoinherit, conkey, confkey,
    pg_get_constraintdef(oid), pg_get_constraintdef(oid, true) FROM pg_constraint WHERE connamespace::regnamespace::text IN ('public', 'app')
    AND conrelid <> 0

-- pg_class
SELECT relname, relnamespace::regnamespace, relowner::regrole, reltuples, relhasindex, relisshared,
    relpersistence, relkind, relchecks, relhasrules, relhastriggers, relhassubclass, relrowsecurity,
    relispopulated, relreplident, relispartition, relacl, reloptions, relpartbound FROM pg_class
    WHERE relnamespace::regnamespace::text IN ('public', 'app') AND relkind = 'r'

-- pg_tables
SELECT schemaname, tablename, tableowner, tablespace, hasindexes, hasrules, hastriggers,
    rowsecurity FROM pg_tables WHERE schemaname IN ('public', 'app')

-- comments
SELECT objoid::regclass, classoid::regclass, objsubid, description, obj_description(objoid),
    obj_description(objoid, 'pg_class') FROM pg_description WHERE classoid = 'pg_class'::regclass
    AND objoid::regclass::text = 't'

-- owned constraints
SELECT conname, refobjid::regclass, refobjsubid, deptype FROM pg_depend JOIN pg_constraint c
    ON c.oid = objid WHERE classid = 'pg_constraint'::regclass AND refclassid = 'pg_class'::regclass
    AND contype IN ('p', 'u') AND refobjid::regclass::text IN ('t', '"Weird-T"')

-- types
SELECT oid, typname, typnamespace, typlen, typbyval, typtype, typcategory, typispreferred, typisdefined,
    typdelim, typelem, typarray, typinput, typoutput, typreceive, typsend, typmodin, typmodout, typsubscript,
    typalign, typstorage, typnotnull, typbasetype, typtypmod, typndims, typcollation, typdefault,
    format_type(oid, NULL) FROM pg_type WHERE typname IN ('bool', 'int2', 'int4', 'int8', 'float4', 'float8',
    'numeric', 'text', 'varchar', 'bpchar', 'bytea', 'uuid', 'date', 'time', 'timestamp', 'timestamptz', 'interval',
    'json', 'jsonb', 'name', 'oid', 'char', 'regclass', 'int2vector', '_int4', '_text', 'aclitem', '_aclitem')

-- range types
SELECT oid, typname, typlen, typbyval, typtype, typcategory, typispreferred, typdelim, typelem, typarray, typinput,
    typoutput, typreceive, typsend, typmodin, typanalyze, typsubscript, typalign, typstorage, typcollation,
    format_type(oid, NULL) FROM pg_type WHERE typname ~ 'range' AND typtype <> 'c' AND typname <> '_pg_range'

-- ranges
SELECT rngtypid::regtype, rngsubtype::regtype, rngmultitypid::regtype, rngcollation, rngsubopc, rngcanonical, rngsubdiff
    FROM pg_range

-- functions of ranges
SELECT oid::regprocedure, prokind, proisstrict, proretset, provolatile, provariadic::regtype, prorettype::regtype
    FROM pg_proc p WHERE proname !~ '_gist_|^hash_|_transfn$|_finalfn$|_in$|_out$|_recv$|_send$' AND EXISTS (
    SELECT FROM pg_type t WHERE t.oid = ANY (p.proargtypes::oid[] || p.prorettype) AND typname ~ 'range')
    AND prokind = 'f'

-- aggregates of ranges
SELECT oid::regprocedure, prorettype::regtype, aggkind FROM pg_proc JOIN pg_aggregate ON aggfnoid = pg_proc.oid
    WHERE proname ~ '^range_'

-- functions that read and write ranges
SELECT oid, proname, prorettype::regtype, proargtypes, proisstrict FROM pg_proc
    WHERE oid IN (3832, 3833, 3834, 3835, 3836, 3837, 3916, 4226, 4227, 4229, 4230, 4231, 4232, 4233, 4234, 4242)

-- operators of ranges
SELECT oid::regoperator, oprkind, oprresult::regtype, oprcode, oprcom, oprnegate, oprcanhash,
    oprcanmerge FROM pg_operator WHERE EXISTS (
    SELECT FROM pg_type t WHERE t.oid IN (oprleft, oprright) AND typname ~ 'range')

-- casts of ranges
SELECT castsource::regtype, casttarget::regtype, castfunc::regprocedure, castcontext, castmethod
    FROM pg_cast JOIN pg_type t ON t.oid = castsource WHERE typtype IN ('r', 'm')

-- functions
SELECT oid, proname, pronamespace, prokind, proisstrict, proretset, provolatile, pronargs,
    prorettype, proargtypes, pg_get_function_arguments(oid), pg_get_function_result(oid), oid::regprocedure
    FROM pg_proc WHERE oid IN (870, 1081, 2079, 1387, 2147, 2803, 3100)

-- operators
SELECT oid, oprname, oprkind, oprleft, oprright, oprresult, oprcode, oprcom, oprnegate,
    oid::regoperator FROM pg_operator WHERE oid IN (96, 98, 91, 410, 551, 654, 1209)

-- names
SELECT 't'::regclass, 'app.nopk'::regclass, '"Weird-T"'::regclass, 'pg_class'::regclass,
    'pg_catalog.pg_class'::regclass, 'information_schema.tables'::regclass, 'numeric(10,2)'::regtype,
    'timestamp with time zone[]'::regtype, 'now'::regproc, 'lower(text)'::regprocedure, 'app'::regnamespace,
    'reader'::regrole, 0::regclass, 4000000000::regclass, 2803::regproc, to_regclass('nope'), to_regtype('nope'),
    to_regnamespace('app'), to_regrole('nobody'), 't'::regclass::oid = (SELECT oid FROM pg_class
    WHERE relname = 't')

-- visibility
SELECT relname, pg_table_is_visible(oid) FROM pg_class
    WHERE relname IN ('t', 'nopk', 'pg_class', 'tables', 't_pkey')

-- privileges
SELECT u, has_table_privilege(u, 't', 'SELECT'), has_table_privilege(u, 't', 'update, insert'),
    has_table_privilege(u, 't', 'DELETE'), has_table_privilege(u, 'app.nopk'::regclass, 'SELECT'),
    has_column_privilege(u, 't', 'a', 'SELECT'), has_column_privilege(u, 't', 1::smallint, 'UPDATE'),
    has_any_column_privilege(u, 't', 'INSERT'), has_schema_privilege(u, 'app', 'USAGE'),
    has_schema_privilege(u, 'public', 'usage'), has_schema_privilege(u, 'pg_catalog', 'USAGE'),
    has_database_privilege(u, current_database(), 'CONNECT'), has_function_privilege(u, 'lower(text)', 'EXECUTE'),
    has_type_privilege(u, 'int4', 'USAGE'), pg_has_role(u, 'reader', 'MEMBER'), has_table_privilege(1::oid, 'SELECT')
    FROM unnest(ARRAY['reader']::name[]) u

-- own privileges
SELECT has_table_privilege('t', 'DELETE'), pg_has_role('admin', 'USAGE')

-- schemas
SELECT current_schemas(true), current_schemas(false), current_schema

-- formats
SELECT format_type(23, NULL), format_type(1043, 24), format_type(1700, 655366), format_type(1042, -1),
    format_type(99999, 1), format_type(0, 1), format_type(NULL, 1), format_type(1007, -1)

-- sizes
SELECT pg_size_pretty(v) FROM unnest(ARRAY[0, 1, -1, 10239, 10240, 20479 * 512, 20479 * 1024 - 1,
    1048576, 123456789012, -4611686018427387904, 9223372036854775807]) v

-- encodings
SELECT pg_encoding_to_char(6), pg_encoding_to_char(99), pg_char_to_encoding('utf-8'),
    pg_char_to_encoding('x'), pg_encoding_to_char(41), pg_client_encoding(), getdatabaseencoding()

-- nothing
SELECT pg_my_temp_schema(), pg_is_other_temp_schema(1), pg_is_in_recovery(), pg_blocking_pids(1),
    col_description('t'::regclass, 1), shobj_description(0, 'pg_database'), pg_get_serial_sequence('t', 'id'),
    pg_get_partkeydef('t'::regclass), pg_relation_is_publishable('t'), pg_relation_is_publishable('pg_class'),
    pg_get_userbyid(999), pg_get_indexdef(1), pg_get_constraintdef(1), pg_table_is_visible(1)

-- index columns
SELECT pg_get_indexdef('t_c_idx'::regclass, 1, true), pg_get_indexdef('t_c_idx'::regclass, 2, true),
    pg_get_indexdef('t_c_idx'::regclass, 3, true), pg_get_indexdef('"W idx"'::regclass, 1, false)

-- tableoid
SELECT tableoid::regclass, count(*) FROM pg_class c WHERE relname = 't' GROUP BY tableoid

-- empty
SELECT (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_policy),
    (SELECT count(*) FROM pg_inherits), (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_enum),
    (SELECT count(*) FROM pg_event_trigger), (SELECT count(*) FROM pg_sequences),
    (SELECT count(*) FROM pg_matviews), (SELECT count(*) FROM information_schema.sequences),
    (SELECT count(*) FROM pg_foreign_server)

-- casts
SELECT castsource::regtype, casttarget::regtype, castfunc::oid, castcontext, castmethod, proname
    FROM pg_cast LEFT JOIN pg_proc p ON p.oid = castfunc
    WHERE castsource IN (16, 18, 19, 20, 21, 23, 25, 26, 114, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266,
    1700, 2205, 3802) AND casttarget IN (16, 18, 19, 20, 21, 23, 25, 26, 114, 700, 701, 1042, 1043, 1082, 1083, 1114,
    1184, 1186, 1266, 1700, 2205, 3802) AND castsource <> casttarget

-- functions that read and write types
SELECT oid, proname, prorettype::regtype, proargtypes FROM pg_proc
    WHERE oid IN (42, 43, 2406, 2407, 46, 47, 750, 751, 2400, 2401, 1046, 1047, 2432, 2433, 2915, 2916, 2290, 1701, 3816,
    6179)

-- access control lists
SELECT c.relname, grantor::regrole, grantee::regrole, privilege_type, is_grantable
    FROM pg_class c, aclexplode(coalesce(relacl, acldefault('r', relowner)))
    WHERE relnamespace::regnamespace::text IN ('public', 'app') AND relkind = 'r'

-- default access control lists
SELECT k, acldefault(k::"char", 'admin'::regrole) FROM unnest(ARRAY['r', 's', 'd', 'f', 'l', 'n', 'T', 'c']) k
