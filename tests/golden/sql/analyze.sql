-- ANALYZE t (dsql-reference 1.8): what pg_class says of it.
create table t (id int primary key, a int unique);
insert into t select n, n from generate_series(1, 300) n;
select reltuples from pg_class where oid = 't'::regclass;
create index async t_i on t (a, id);
analyze t;
select relname, reltuples from pg_class where relname in ('t', 't_pkey', 't_a_key', 't_i') order by 1;
delete from t where id > 20;
select reltuples from pg_class where oid = 't'::regclass;
analyze t;
select relname, reltuples from pg_class where relname in ('t', 't_pkey', 't_a_key', 't_i') order by 1;
analyze public.t;
-- differs: position (PostgreSQL does not say where)
analyze nope;
create table empty (x int);
analyze empty;
select reltuples from pg_class where oid = 'empty'::regclass;
alter table t rename to u;
select reltuples from pg_class where oid = 'u'::regclass;
drop table u, empty;
