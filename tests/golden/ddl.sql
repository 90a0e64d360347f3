create table oc (id int primary key, n int not null check (n > 0), u int unique)
insert into oc values (1, 1, 1)
insert into oc values (1, null, 5) on conflict (id) do update set n = 9
insert into oc values (1, -1, 5) on conflict (id) do update set n = 9
insert into oc values (1, -1, 5) on conflict do nothing
insert into oc values (2, 5, 1) on conflict (id) do update set n = 9
insert into oc values (2, 5, 1) on conflict (u) do update set n = excluded.n + oc.n returning *
insert into oc values (3, 5, 3), (3, 6, 4) on conflict (id) do update set n = 9
insert into oc values (3, 5, 3), (3, 6, 4) on conflict (id) do nothing
insert into oc values (3, 5, 3), (4, 6, 3) on conflict do nothing
select * from oc order by 1
insert into oc values (4, 5, 3) on conflict on constraint oc_u_key do update set id = 10 where oc.n > 100
insert into oc values (4, 5, 3) on conflict on constraint oc_u_key do update set id = oc.id + 10 where oc.n < 100 returning id, n
update oc set u = 1 where id = 13
update oc set id = id + 1
update oc set u = u
select * from oc order by 1
insert into oc values (3, 5, 3) on conflict (n) do nothing
insert into oc values (1, 5, 3) on conflict do update set n = 1
create table a1 (a int, a int)
create table a1 (ctid int)
create table a1 (a int null primary key)
drop table a1
create table a1 (a int primary key null)
drop table a1
create table a1 (a int not null null)
create table a1 (a int, primary key (b))
create table a1 (a int, primary key (a, a))
create table a1 (a int, unique (a, a))
create table a1 (a int primary key, primary key (a))
create table a1 (a int primary key primary key)
create table a1 (a int default a)
create table a1 (a int default b)
create table a1 (a int default (select 1))
create table a1 (a int default sum(1))
create table a1 (a int default 'x')
create table a1 (a date default 'x')
create table a1 (a int default 1 default 2)
create table a1 (a int check (b > 1))
create table a1 (a int check (a))
create table a1 (a int check (sum(a) > 1))
create table a1 (a int check ((select 1) = 1))
create table a1 (a int check (a > 0), check (a > 1), constraint a1_a_check2 check (a > 2), check (a + 1 > 0))
create table a11 (a nope)
create table nos.a1 (a int)
create table a2 (a int unique, b int unique, unique (a), unique (a, b))
select conname from pg_constraint where conrelid = 'a2'::regclass order by 1
create table a3 (a int primary key, constraint u unique (a))
select conname from pg_constraint where conrelid = 'a3'::regclass order by 1
create table a4 (a int, b int, unique (a) include (b), unique (a))
select conname from pg_constraint where conrelid = 'a4'::regclass order by 1
create table a5 (a int, constraint c check (a > 0), constraint c check (a > 1))
create table a5 (a int, constraint a5 unique (a))
create table a5 (a int, constraint a1 unique (a))
create table t_a (b int check (b > 0))
create table t (a_b int check (a_b > 0))
select conname from pg_constraint where conrelid = 't'::regclass order by 1
create table a6 (a int constraint oc_pkey primary key)
create table a6 (a int constraint a6_a_check unique, b int check (a > 1))
select conname from pg_constraint where conrelid = 'a6'::regclass order by 1
alter table nope add column b int
alter table nos.t add column b int
alter table if exists nos.t add column b int
alter table if exists nope add column b int
alter table oc add column n int
alter table oc add column if not exists n int
alter table oc rename column n to u
alter table oc rename column nope to u
alter table oc rename column u to ctid
alter table oc rename n to m
insert into oc values (1, -1, 5)
select pg_get_constraintdef(oid) from pg_constraint where conname = 'oc_n_check'
alter table oc rename constraint nope to x
alter table oc rename constraint oc_u_key to oc_n_check
alter table oc rename constraint oc_u_key to t
alter table oc rename to t
alter table oc rename to oc
alter table nope rename to x
alter table if exists nope rename to x
alter index nope rename to x
alter index oc rename to x
alter table x rename to oc
alter index oc_u_key rename to u2
alter table oc_pkey rename to oc_pk
alter schema nope rename to x
alter schema s1 rename to pg_x
drop table nope
drop table if exists nope, nope2
drop table nos.t
drop table if exists nos.t
drop table oc_pk
drop index nope
drop index if exists nope
drop index t
drop index u2
drop schema nope
drop schema if exists nope
create schema pg_x
create schema s1
create schema s1
create schema if not exists s1
create table s1.x (a int)
drop schema s1
drop schema s1 cascade
create index on nope (a)
create index on nos.t (a)
create index on oc (nope)
drop table t, t_a
drop table a2, a2
comment on table nope is 'x'
comment on table oc is 'x'
grant select on nope to public
grant select on oc to nobody
grant nope on oc to public
grant usage on table oc to public
revoke select on oc from public
create role r1
create role r1
drop role nope
drop role if exists nope
create role pg_x
create role r2
drop role r1, r2
copy nope from stdin
copy oc (nope) from stdin
copy oc (id, id) from stdin
copy oc to stdout (format nope)
copy oc to stdout (format csv, quote 'ab')
copy oc to stdout (format csv, header match)
copy oc to stdout (delimiter 'ab')
copy oc to stdout (delimiter 'a')
copy oc to stdout (null E'\n')
copy oc to stdout (force_quote (id))
copy oc to stdout (format csv, force_quote (nope))
copy oc to stdout (format csv, force_not_null (id))
copy oc to stdout (bogus)
copy oc to stdout (format csv, format csv)
create table äääääääääääääääääääääääääääääää (b int primary key, ccccccccccccccccccccccccccccccc int unique, check (b > 0))
copy (select 1 as a) to stdout (format csv, force_quote (nope))
copy (select 1 as a) to stdout (force_null (nope))
create table x23456789012345678901234567890123456789012345678901234567890123 (x23456789012345678901234567890123456789012345678901234567890123 int unique, b int primary key check (b > 1))
create table y2345678901234567890123456789012345678901234567890 (äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüä int unique, éé int check (éé > 1), unique (éé, äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüä))
create table z (a int, b int, c int, unique (a, b) include (c), unique (b), unique (b, a), check (a > b), check (a > 1), check (a > 2), check (1 > 0))
create table z_a (key int unique)
create table z_a_key (a int)
create table z_a2 (a int, constraint z_a2_b_key check (a > 3), b int unique)
select conname from pg_constraint where connamespace = 'ddl'::regnamespace order by 1
create index on z (a)
create index on z (a)
create index on z (a, b) include (c)
create index on z (a, a)
select relname from pg_class where relnamespace = 'ddl'::regnamespace order by 1
