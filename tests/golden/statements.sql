select 1
select
select from t
select distinct a from t
select distinct on (a, b) a, c from t order by a
select all a from t
select a b, c as d, e "F g" from s.t x(a, b)
select a value, b name, c type, d year from t
select a year from t
select a as year from t
select t.*, *, (t).*, (t).a[1].b, t.a.b.c from t
select t.*.a from t
select a.b.c.d.e
select $1, $2::int, $1[1], ($1).x
select 'a' 'b'
select 'a'
'b'
select E'a\'b\n\x41\101\u0041', U&'\0041!' , U&"d\0061t" , b'0101', x'1F', n'abc', $$it's$$, $a$ $$ $a$
select U&'!0041' uescape '!'
select 1.5, .5, 1., 1e5, 1.5e-3, 0x1f, 0o17, 0b101, 1_000, 1_000.5, 123456789012345678901234567890, 2147483648
select 1x
select 1_
select 0x
select 0b2
select 0b12
select 0x1fg
select 1e
select 1e+
select 1.5e
select 1__0
select 1..2
select $1a
select $0
select "a""b", "A" as "x y"
select ""
select 'abc
select "abc
select /* a /* b */ c
select /* a /* b */ c */ 1 -- x
select $$abc
select $abc
select 1 + 2 * 3 - -4 ^ 5 % 6 / 7
select - - 1, + 1, -a, !!a, @ a, ~ a, |/ 4, a || b, a <> b, a != b, a -> 'x' ->> 'y', a #>> '{}', a @> b, a ? b, a ?| b, a && b, a << 1
select a +- b, a *-1, a @- b, a <-> b, a @-@ b, a --x
select a operator(pg_catalog.+) b, operator(+) b, a operator(s.t.@>) b
select a operator from t
select a = b = c
select a < b > c
select a = b and c = d or not e
select not not a
select a = not b
select a + not b = c
select a is null is null
select a is null = b
select a = b is null
select a is distinct from b is null
select a is not distinct from b + 1
select a is true, a is not true, a is false, a is unknown, a is not unknown, a isnull, a notnull
select a is document
select a is normalized, a is not nfc normalized, a is nfkd normalized
select a is json, a is not json object with unique keys, a is json array without unique, a is json scalar, a is json value with unique
select a is from t
select a and from t
select a or, b from t
select a in from t
select a like from t
select a between from t
select a collate from t
select a at from t
select a at time zone 'x' at time zone 'y'
select a similar from t
select a overlaps from t
select (a,b) overlaps from t
select (a,b) overlaps (c,d), row(a,b) overlaps row(c,d)
select (a,b,c) overlaps (c,d)
select (a,b) overlaps (c)
select a overlaps b
select a between 1 and 2, a not between symmetric 1 and 2 and b, a between asymmetric 1 and 2
select a between 1 and 2 between 3 and 4
select a in (1,2), a not in (1), a in (select 1), a in ((select 1), 2), a in ((select 1)), a in ((select 1) union select 2), a in ((1),(2))
select a in ()
select a in 1
select a in (1) in (2)
select a like b, a not like b escape 'x', a ilike b, a similar to b, a not similar to b escape c
select a like b like c
select a like b escape c escape d
select a like any (array['x']), a not ilike all (select 1), a = any (b), a = some (select 1), a < all ((select 1)), a operator(pg_catalog.=) any (b)
select a = any (1,2)
select a similar b
select a not b
select a not null
select case when a then b end, case a when 1 then 2 else 3 end, case when a then b when c then d else e end
select case end
select case a end
select case when a else b end
select array[1,2], array[[1],[2]], array[]::int[], array(select 1), array[[1],2]
select array[1,[2]]
select row(), row(1), row(1,2), (1,2), (1), ()
select ((1)), ((1),(2)), (((select 1))), ((select 1) + 1), ((select 1), 2), ((select 1) union (select 2)), ((select 1) order by 1)
select (select 1).a, (select 1)[1], (a)[1], (a).b.c, (row(1)).f1
select (1,2).a
select row(1).a
select exists (select 1), exists ((select 1)), not exists (values (1))
select exists (1)
select exists
select coalesce(a,b), greatest(1), least(1,2), nullif(a,b), coalesce from t
select coalesce()
select nullif(a)
select extract(year from a), extract(dow from a), extract('epoch' from a), extract("x" from a), extract from t
select extract(a, b)
select position('a' in 'b'), position(a and b in c)
select substring(a from 1 for 2), substring(a for 2), substring(a for 2 from 1), substring(a from 1), substring(a, 1, 2), substring(a similar b escape c), substring(), substring(a => 1)
select overlay(a placing b from 1 for 2), overlay(a placing b from 1), overlay(a, b, 1), overlay()
select trim(a), trim(both from a), trim(leading 'x' from a), trim(trailing a), trim(a from b), trim(both a, b), trim(a, b)
select normalize(a), normalize(a, nfc), normalize(a, x)
select treat(a as int), cast(a as int[]), cast(a as numeric(10,2)), a::int::text, a::double precision, a::timestamp(3) with time zone, a::char varying(3), a::national character(3), a::bit varying, a::interval day to second(3)
select collation for (a), collation for a
select current_date, current_time, current_time(3), current_timestamp(0), localtime, localtimestamp(2), current_user, session_user, user, current_role, current_catalog, current_schema, current_schema(), system_user
select current_date()
select current_user.a
select f(), f(*), f(1, 2), f(a => 1, b := 2), f(variadic a), f(1, variadic b), f(all a), f(distinct a, b), f(a order by b desc), s.f(1), s.t.f(1)
select f(variadic a, b)
select f(distinct)
select f(all)
select f(*, 1)
select f(distinct variadic a)
select f(a) within group (order by b), f(a) filter (where b), f(a) over w, f(a) over (), f(a) over (partition by b order by c), f(a) filter (where b) over (w order by c)
select f(a) filter (b)
select f(a order by b) within group (order by c)
select f(distinct a) within group (order by c)
select f(variadic a) within group (order by c)
select f(a) over (rows unbounded preceding), f(a) over (range between 1 preceding and current row exclude ties), f(a) over (groups between unbounded preceding and unbounded following exclude no others), f(a) over (partition by a, b rows 1 + 1 preceding)
select f(a) over (rows unbounded following)
select f(a) over (rows between current row and 1 preceding)
select f(a) over (rows between 1 following and current row)
select f(a) over (rows 1 following)
select f(a) over (rows between unbounded following and current row)
select f(a) over (rows between 1 preceding and unbounded preceding)
select f(a) over (rows), f(a) over (partition)
select f(a) over 1
select left('a', 1), right('a', 1), left from t
select left.a
select int '1', integer '1', bigint '1', real '1', float '1', float(3) '1', double precision '1', numeric(3) '1', decimal '1', dec '1', boolean 't', bit '1', bit(3) '1', bit varying '1', char 'x', char(3) 'x', character varying(3) 'x', varchar 'x', nchar 'x', national char 'x', time '1', time(3) with time zone '1', timestamp without time zone '1', interval '1' day, interval '1' year to month, interval(3) '1', interval '1' second(3), date '1', pg_catalog.int4 '1', foo(1,2) 'x', json '1', xml '1'
select float(0) '1'
select float(54) '1'
select foo(a => 1) 'x'
select foo(a order by b) 'x'
select interval '1' month to day
select int, bit, time, interval, char, values, float from t
select int(1)
select interval(1)
select numeric(1)
select true, false, null, default, unknown
select grouping(a, b), grouping from t
select 1 limit 1
select 1 limit all offset 2
select 1 offset 2 limit 1
select 1 limit 1, 2
select 1 limit 1 limit 2
select 1 fetch first row only
select 1 fetch next 5 rows only
select 1 order by 1 fetch first (1+1) rows with ties
select 1 fetch first 5 rows with ties
select 1 fetch first -1 rows only
select 1 fetch first 1+1 rows only
select 1 offset 1 rows
select 1 offset 1 row fetch first 1 row only
select 1 offset 1+1 rows
select 1 offset 1+1
select 1 order by a, b desc, c nulls first, d asc nulls last, e using <, f using operator(pg_catalog.>) nulls first
select 1 order by a desc asc
select 1 order by a nulls
select a nulls from t
select a nulls first from t
select 1 for update
select 1 for update of a, b.c nowait for share skip locked for no key update for key share
select 1 for update limit 1
select 1 limit 1 for update offset 2
select 1 for read only
select 1 order by a fetch first 1 rows with ties for update skip locked
select 1 for update skip locked
select 1 from t group by a, b
select 1 group by ()
select 1 group by rollup (a, (b, c)), cube (a), grouping sets ((a), (), rollup (b), a), distinct a
select 1 group by distinct a, b
select 1 group by all a
select 1 group by all
select 1 group by grouping sets (grouping sets (a))
select 1 having a
select 1 window w as (partition by a), x as (w)
select 1 window w as w
select 1 window w
select * into t from x
select * into temp table t from x
select * into unlogged t from x
select * into local temporary t from x
select a into t
select 1 union select 2 union all select 3 intersect select 4 except distinct select 5
(select 1) union (select 2) order by 1
(select 1 order by 1) order by 2
(select 1 limit 1) limit 2
(select 1 offset 1) offset 2
(with a as (select 1) select 2) union select 3
with a as (select 1) (with b as (select 2) select 3)
with a as (select 1) (select 3)
((select 1))
((select 1)) order by 1
(((select 1) union select 2) limit 3)
select 1 union
select 1 order by 1 union select 2
values (1,2),(3,4)
values (1),(2) order by 1 limit 1
values (1
values ()
values 1
values
table t
table only t order by 1
table t *
with a as (select 1), b(x,y) as materialized (select 2), c as not materialized (insert into t values (1) returning *) select * from a
with recursive a as (select 1 union all select 2) select 1
with recursive as (select 1) select 1
with recursive recursive as (select 1) select 1
with a as (select 1) search depth first by x, y set z cycle x set y using z select 1
with a as (select 1) cycle x set y to true default false using z select 1
with a as (select 1) cycle x set y to 'a' default 'b'::text using z select 1
with a (select 1) select 1
with a as select 1 select 1
with a as (select 1)
with a as (select 1) insert into t select * from a
with a as (select 1) update t set a=1
with a as (select 1) delete from t
with a as (delete from t using u where t.a=u.a returning t.*) values (1)
select * from a, b c, d as e, f g(h, i), only j, only (k), l *, m.n.o
select * from a.b.c.d
select * from a join b on c join d on e
select * from a join b join c on d on e
select * from a cross join b cross join c
select * from a join b using (x, y) as z
select * from a natural join b natural left join c natural full outer join d natural inner join e
select * from a left join b on c right outer join d on e full join f using (g) inner join h on i
select * from a join b
select * from a cross join b on c
select * from a inner outer join b on c
select * from (a join b on c) d
select * from (a join b on c) d(e, f)
select * from ((a join b on c))
select * from ((a join b on c) join d on e)
select * from ((a join b on c) x join d on e)
select * from (a)
select * from (a b)
select * from (select 1), (select 1) x, (values (1)) as y(z), lateral (select 1) w, (table t) u
select * from ((select 1)) x
select * from ((select 1) union select 2) x
select * from ((select 1) x join y on z)
select * from ((select 1) x)
select * from ((select 1) x cross join ((select 2) y cross join z)) w
select * from f(1), f(1) x, f(1) as x(a int, b text), f(1) x(a int), f(1) as (a int collate "C"), lateral f(1) with ordinality as y(a, b), rows from (f(1), g(2) as (a int)) with ordinality z
select * from generate_series(1,10) with ordinality
select * from current_date, coalesce(1), cast(1 as int) x, s.f(1)
select * from lateral a
select * from left(1)
select * from a tablesample system (1), b x tablesample bernoulli (1) repeatable (2)
select * from a tablesample s.t (1)
select * from t where a where b
select * from t as
select * from t as a b
select * from t left
select * from user
select * from "t" as "T"
insert into t values (1, default), (2, 'x')
insert into t(a, b.c, d[1]) select 1
insert into t as x default values
insert into t x values (1)
insert into t (select 1)
insert into t ((select 1))
insert into t (a) (select 1)
insert into t (a) overriding system value values (1)
insert into t overriding user value select 1
insert into t overriding value select 1
insert into t () values (1)
insert into t (values) values (1)
insert into t (values (1))
insert into t
insert into t values
insert t values (1)
insert into t with a as (select 1) select * from a
insert into t values (1) on conflict do nothing
insert into t values (1) on conflict (a, lower(b), (c+1) collate "C" desc nulls last) where d do update set a = excluded.a, (b, c) = (1, 2) where x returning a, b as c
insert into t values (1) on conflict (a text_ops, b collate "x" y.z) do nothing
insert into t values (1) on conflict on constraint x do nothing
insert into t values (1) on conflict do update set a = 1
insert into t values (1) on conflict (a) do update set a = 1 from b
insert into t values (1) returning
insert into t values (1) on conflict
insert into t select 1 on conflict do nothing
update t set a = 1
update t x set a = 1, b = default where c returning *
update only t as set set a = 1
update t set a = 1 where current of c
update t set a[1] = 2, b.c = 3
update t set (a, b) = (select 1, 2), (c) = row(3), (d) = (4)
update t set (a, b) = 1
update t set a = 1, from b
update t set
update t set a
update t set a = 1 from b join c on d where e
update t set t.a.b = 1
update t
delete from t
delete t
delete from only t x using a, b where c returning d
delete from t where current of x
delete from t set
delete from t where
begin
begin work
begin transaction isolation level serializable, read only, deferrable
begin isolation level read committed read write not deferrable
begin read only,
begin isolation level foo
start transaction
start transaction read write
start
end
end work and no chain
abort and chain
commit and chain
commit work
commit transaction and no chain
commit prepared 'x'
rollback
rollback prepared 'x'
rollback prepared
savepoint a
savepoint
release a
release savepoint a
release savepoint
prepare transaction 'x'
set a = 1
set a to 1, 'x', y, true, on, off, -1.5
set a.b.c to default
set a = default, 1
set local a = 1
set session a = 1
set local = 1
set session = 1
set session to 1
set time zone 'utc'
set time zone utc
set time zone interval '1' hour to minute
set time zone interval '1' day
set time zone interval(3) '1'
set time zone local
set time zone default
set time zone -7
set time = 1
set names 'utf8'
set names
set names default
set schema 'x'
set schema x
set role none
set role 'x'
set role x
set role to x
set session authorization x
set session authorization default
set session session authorization 'x'
set local session authorization x
set session characteristics as transaction read only
set local session characteristics as transaction read only
set transaction isolation level repeatable read
set transaction snapshot 'x'
set local transaction read only
set transaction
set constraints all deferred
set constraints a, b.c immediate
set constraints all
set catalog 'x'
set xml option content
set a from current
set a
set
set a =
set a = select
reset a
reset all
reset a.b
reset time zone
reset session authorization
reset transaction isolation level
reset
show a
show all
show a.b
show time zone
show transaction isolation level
show session authorization
show time
show
explain select 1
explain analyze verbose select 1
explain verbose analyze select 1
explain (analyze, verbose off, format json, costs false, buffers 1) select 1
explain (select 1)
explain ()  select 1
explain (a) insert into t values (1)
explain analyse (select 1)
explain update t set a=1
explain with a as (select 1) select 1
explain
explain begin
copy t from stdin
copy t to stdout
copy t (a, b) from 'x' with (format csv, header true, delimiter ',', null '', force_quote (a, b), force_null *, foo 1, bar -2, baz)
copy t from stdin csv header delimiter as ',' null as 'x' quote '"' escape '"' force not null a, b force null c encoding 'utf8'
copy t to stdout csv force quote *
copy t to stdout force quote a, b
copy binary t from stdin
copy t from stdin using delimiters ','
copy t from stdin with csv
copy t from stdin binary freeze
copy t from program 'x'
copy t from program stdin
copy t from stdin where a > 1
copy t to stdout where a
copy (select 1) to stdout
copy (select 1) from stdin
copy (insert into t values (1) returning a) to stdout with (format text)
copy t from stdout
copy t
copy t from
copy t from stdin with ()
copy t from stdin with (format)
copy (select 1) to stdout where a
analyze
analyze t
analyze verbose t (a, b), s.u
analyze (verbose, skip_locked off) t
analyse t
analyze verbose
call f()
call s.f(1, a => 2)
call sys.wait_for_job('x')
call f
call f(distinct a)
deallocate a
deallocate prepare a
deallocate all
deallocate prepare all
deallocate prepare
create table t ()
create table t (a int)
create table s.t (a int primary key, b text not null default 'x' collate "C" unique, c int null check (c > 0) no inherit, d int references u, e int constraint n references s.u (x) match full on delete set null on update cascade deferrable initially deferred, f int generated always as identity, g int generated by default as identity (start with 1 increment by 2 minvalue 1 no maxvalue cache 65536 no cycle owned by a.b sequence name x), h int generated always as (a + 1) stored)
create table t (a int generated by default as (1) stored)
create table t (a int generated always)
create table t (a int default 1 + 2, b int default (a and b), c int default a and b)
create table t (a int default 1 is null)
create table t (a int default 1 not null)
create table t (a int default 1 in (2))
create table t (a int default f(1)::text || 'x' check (b))
create table t (a int collate "C" collate "D")
create table t (a int deferrable)
create table t (a int primary key deferrable initially immediate not deferrable)
create table t (a int constraint x)
create table t (a int constraint x collate "C")
create table t (a int storage plain compression lz4 not null, b text storage default)
create table t (a int options (x 'y'))
create table t (a int, primary key (a), unique (a, b) include (c) with (fillfactor = 10) using index tablespace x deferrable, constraint c check (a > 0) not valid no inherit, foreign key (a) references b, foreign key (a, b) references c (d, e) on delete set null (a) on update no action not valid, exclude using gist (a with &&, lower(b) with =) where (c) deferrable)
create table t (foreign key (a) references b on update set null (a))
create table t (foreign key (a) references b on update set null on update cascade)
create table t (foreign key (a) references b match partial)
create table t (check (a) deferrable)
create table t (unique (a) not valid)
create table t (primary key (a) no inherit)
create table t (unique (a) deferrable not deferrable)
create table t (unique (a) initially deferred not deferrable)
create table t (unique (a) initially deferred initially immediate)
create table t (unique nulls not distinct (a), b int unique nulls distinct, c int unique nulls not distinct)
create table t (unique using index x, primary key using index y deferrable)
create table t (unique nulls not distinct using index x)
create table t (like a including all excluding defaults, like b.c)
create table t (a)
create table t (a int,)
create table t (a int) inherits (b, c.d) partition by range (a, lower(b) collate "C", (c) x.y) using heap with (a = 1, b.c = 'x', d, e = none, f = true, g = on, h = +, i = int) on commit drop tablespace x
create table t (a int) without oids
create table t (a int) with oids
create table t (a int) on commit delete rows
create table t (a int) on commit preserve
create table if not exists t (a int)
create table if not t (a int)
create table if exists t (a int)
create table if (a int)
create temp table t (a int)
create local temporary table t (a int)
create global temp table t (a int)
create unlogged table t (a int)
create table t of s.u
create table t of u (a with options not null, b default 1, primary key (a))
create table t partition of p for values in (1, 2)
create table t partition of p (a not null) for values from (minvalue) to (1, 2) partition by list (a)
create table t partition of p for values with (modulus 1, remainder 2)
create table t partition of p default
create table t as select 1
create table t (a, b) as select 1 with no data
create table t (a) as (select 1) with data
create table if not exists t as table x
create table t as execute p
create table t as execute p(1, 2) with no data
create table t with (a=1) on commit drop tablespace x as values (1)
create temp table t as select 1
create table t
create table
create table t (a int b)
create table t (a setof int, b int array, c int array[3], d int[3][], e numeric(10,2)[], f int array[])
create table t (a pg_catalog.int4(3), b "Foo", c s.t.u)
create table t (a int primary)
create table t (int int, year int, user int)
create table t (select int)
create table t (values int, left int)
create table t (a int4 left)
create table t (a double)
create table t (a double precision, b float(24), c timestamp with time zone, d time(2) without time zone, e interval year, f interval(3), g bit(3), h bit varying(4), i char, j character varying, k varchar(3), l dec(1), m national char varying (3))
create table t (a timestamp with time)
create table t (a interval month to year)
create table t (a interval day to second (3))
create table t (a interval year(3))
create table t (a varchar(-1))
create table t (a char(x))
create table a.b.c.d (a int)
select 1; select 2;; select 3
;;
select 1;;
select 1; selec 2
selec 1
select 1 2
select 1 'a'
select a 'b'
select 1 as
select 1 as select
select 1 select
select , 1
select 1,
select a. from t
select a..b from t
select a.* b
select a[1], a[1:2], a[:], a[1:], a[:2], a[], a[1,2]
select a[
select (1
select 1)
select {
select \
select a :: int
select a : b
select a := b
select a => b
select :a
select #1
select @
select 1 @
select 5!
select é, "é" from t where ü = 'ß' and €
select 'ß' from
select a from t wher b
grant
foo bar
alter table t add a int
alter table t add column a int not null default 1
alter table if exists only s.t add column if not exists a int, drop column b, drop column if exists c cascade, drop d restrict
alter table t add if not exists a int
alter table t add constraint x check (a) not valid, add primary key (a), add unique using index i, add foreign key (a) references b
alter table t add exclude int, add exclude using gist (a with =)
alter table t alter column a set default 1 + 2, alter a drop default, alter a set not null, alter a drop not null
alter table t alter a type int using a::int, alter a set data type text collate "C"
alter table t alter a set statistics -1, alter 3 set statistics 5, alter a set (n_distinct = 1), alter a reset (n_distinct)
alter table t alter a set storage plain, alter a set storage default, alter a set compression lz4
alter table t alter a add generated always as identity (cache 1), alter a set generated by default set cache 5 restart with 3 set no cycle restart, alter a drop identity if exists, alter a drop expression, alter a drop expression if exists
alter table t alter a set restart
alter table t alter a set as int
alter table t alter a set owned by b
alter table t alter constraint x deferrable initially deferred
alter table t alter constraint x not valid
alter table t validate constraint x
alter table t drop constraint x, drop constraint if exists y cascade
alter table t set without oids, cluster on x, set without cluster, set logged, set unlogged
alter table t enable trigger x, enable trigger all, disable trigger user, enable always trigger x, enable replica rule y, disable rule z
alter table t enable row level security, disable row level security, force row level security, no force row level security
alter table t inherit p, no inherit q, of u, not of
alter table t owner to x, owner to current_user, owner to public
alter table t owner to none
alter table t set access method heap, set tablespace x, set (a=1), reset (a), replica identity using index x, replica identity full
alter table t attach partition p for values in (1)
alter table t attach partition p default
alter table t detach partition p concurrently
alter table t detach partition p finalize
alter table t rename to u
alter table t rename column a to b
alter table t rename a to b
alter table t rename constraint a to b
alter table if exists t rename a to b
alter table t rename to a.b
alter table t set schema s
alter table t set schema
alter table t set
alter table t
alter table t add
alter table t drop
alter table t alter a
alter table t alter a set
alter table t options (add a 'b', set c 'd', drop e, f 'g')
alter index i rename to j
alter index if exists i rename to j
alter index i set tablespace x
alter index i attach partition p
alter index i alter column 1 set statistics 3
alter schema s rename to t
alter schema s owner to current_user
alter schema s set
create index on t (a)
create unique index concurrently if not exists i on only s.t using btree (a, lower(b) desc nulls last, (c + 1) collate "C" text_ops, d s.ops (x = 1) asc) include (e) nulls not distinct with (fillfactor = 1) tablespace x where a > 1
create index if not exists on t (a)
create index a.b on t (a)
create index i on t
create index i on t ()
create index i on t (a + 1)
create index i on t (coalesce(a, b), current_date, left(a, 1), s.f(a))
create index i on t (a) where
create unique table t (a int)
create schema s
create schema if not exists s authorization x
create schema authorization current_user create table t (a int) create index on t (a) grant select on t to public
create schema if not exists s create table t (a int)
create schema
create schema a.b
create role r
create user r with login password 'x' superuser noinherit inherit connection limit -1 valid until 'x' in role a, b admin c user d role e sysid 5
create group g with
create role r foo
create role public
create role none
create role current_user
create role r encrypted password null
create role r unencrypted password 'x'
create role r password null
alter role r login
alter role r rename to s
alter user r with nologin
alter user r set a = 1
alter role all in database d set a to default
alter role r reset all
alter role r set time zone 'utc'
alter role r set transaction read only
alter group g add user a, b
alter group g login
alter role r in role x
alter role current_user login
alter role public rename to x
drop role r, s
drop user if exists r
drop group g
drop role
drop table t
drop table if exists a.b, c cascade
drop table t restrict
drop table
drop table if exists
drop index concurrently if exists i
drop index a.b
drop schema s, t cascade
drop schema a.b
drop view v
drop sequence if exists s
drop type if exists t, u
drop domain d cascade
drop trigger if exists x on t cascade
drop trigger x
drop foo
drop
comment on table t is 'x'
comment on column t.a is null
comment on column s.t.a is 'x'
comment on index i is 'x'
comment on schema s is 'x'
comment on role r is 'x'
comment on constraint c on t is 'x'
comment on constraint c on domain d is 'x'
comment on table t is 5
comment on table t
comment on foo is 'x'
grant select on t to x
grant select, insert (a, b), update on table s.t, u to x, group y, public with grant option granted by z
grant all on t to current_user
grant all privileges (a) on t to x
grant all on all tables in schema s, t to x
grant usage on schema s to x
grant usage on sequence s to x
grant create on database d to x
grant usage on type t to x
grant select on all functions in schema s to x
grant a to b
grant a, b to c, d with admin option
grant a to b with inherit false, set true granted by c
grant all to b
grant select on t
grant select to
grant select on to x
grant select on schema to x
grant select on table to x
revoke select on t from x
revoke grant option for select on t from x cascade
revoke a from b
revoke admin option for a from b restrict
revoke grant option for a from b
revoke inherit option for a from b
revoke all on t from public
revoke all on t to public
grant alter system on parameter x to y
truncate t
truncate
listen x
notify x
unlisten *
lock table t
do 'x'
declare c cursor for select 1
fetch c
move c
close c
prepare p as select 1
execute p
vacuum
vacuum full t
discard all
reindex table t
cluster
checkpoint
load 'x'
prepare transaction 'x'
explain execute p
explain create table t as select 1
explain create table t (a int)
create view v as select 1
create or replace view v as select 1
create temp view v as select 1
create recursive view v (a) as select 1
create materialized view v as select 1
create sequence s
create function f() returns int language sql as 'x'
create function f() returns int language sql begin atomic select 1; select case when a then b end; end
create function f() returns int language sql return 1
create procedure p() language sql as 'x'
create trigger x before insert on t execute function f()
create type t as enum ('a')
create type t as (a int)
create type t as range (subtype = int)
create type t
create domain d as int
create extension x
create database d
create tablespace x location 'y'
create policy p on t
create rule r as on insert to t do instead (select 1; select 2)
create publication p
create statistics s on a, b from t
create or replace table t (a int)
create or foo
create foo
create
alter foo
alter
alter system set a = 1
alter sequence s restart
alter view v rename to w
alter domain d drop default
alter type t rename to u
alter function f() rename to g
alter default privileges grant select on tables to x
alter database d set a = 1
merge into t using s on a when matched then delete
select json_object(a), json_object('{a,b}', b), json_object, json_object(x => 1)
select current_schema 'x', current_schema
select xmlconcat('<a/>', '<b/>'), xmlelement(name foo), xmlelement(name "select", xmlattributes(a as b, c), d, e), xmlelement(name x, xmlattributes(a)), xmlelement(name x, a)
select xmlforest(a as b, c), xmlparse(document a), xmlparse(content a preserve whitespace), xmlparse(content a strip whitespace), xmlpi(name php), xmlpi(name php, a)
select xmlroot(a, version b), xmlroot(a, version no value, standalone yes), xmlroot(a, version '1.0', standalone no), xmlroot(a, version '1.0', standalone no value)
select xmlserialize(content a as text), xmlserialize(document a as varchar(3) indent), xmlserialize(content a as pg_catalog.text no indent)
select xmlexists('//x' passing a), xmlexists(a passing by ref b by value), xmlexists((a) passing b by ref)
select * from xmltable('/r' passing a columns id int path '@id' not null default 1, o for ordinality, n text null), xmltable(xmlnamespaces('x' as y, default 'z'), '/r' passing by value a columns b int) as t(c)
select xmlroot(a)
select xmlparse(a)
select xmlelement(foo)
select xmlserialize(content a)
select xmlexists(a)
select xmltable('/r' passing a)
