-- One query per line, compared with PostgreSQL over the tables of tests/selecting.py. A line that starts with
-- `order:` is compared row by row, the others as bags of rows.
select 1 + 1, null::int + 1, 'x' || 'y'
select id, x, s from a where id = 5
select * from a where id in (1, 5, 9, 200, null)
select id from a where id = any (array[3, 4, 5, 6, 7, 8])
select id from a where id > 10 and id <= 50
select id from a where 10 < id and x is null
select id from a where x = 3
select x, y from a where x = 3
select x, y from a where x in (1, 2) and y > 1
select id from a where x > 3 and x < 6
select id from a where x >= 6
select id from a where x < 2
select id, s from a where y = 2 and s = 'ab'
select id, s from a where y = 2 and s > 'a'
select id, s from a where y in (1, 2) and s <= 'ab'
select id from a where x = 1 or y = 2
select id from a where not (x = 1 and y = 2)
select id from a where not (x = 1 or y is null)
select id from a where b
select id from a where not b
select id from a where b is not true
select id from a where x is distinct from 3
select id from a where x is not distinct from null
select id from a where s = 'ab' and x <> 2
select id from a where (x, y) < (3, 2)
select id from a where (x, y) = (3, 2)
select id from a where (x, y) >= (3, 2)
select id from a where (x, y) <> (3, 2)
select id from a where x between 2 and 4
select id from a where id = 1 and id = 2
select id from a where false
select id from a where null
select v from b where v = 'v7'
select v from b where v > 'v2' and v < 'v5'
select x, k from b where x = 3
select x, k from b where x = 3 and k > 0
select x, k from b where k = 1
select x, k from b where x in (1, 3, 5) and k in (0, 2)
select x, c from b where c = 'a'
order: select id from a order by id
order: select id from a order by id desc
order: select id from a order by id limit 5
order: select id from a order by id desc limit 5 offset 2
order: select id from a where id > 20 order by id desc limit 3
order: select x, y from a order by x nulls first, y desc nulls last, id
order: select x, id from a order by x, id limit 7
order: select x, id from a order by x desc, id desc limit 7
order: select y, s, id from a order by y, s, id
order: select y, s, id from a where y = 3 order by s, id
order: select id, f from a order by f, id
order: select id, f from a order by f desc, id
order: select id, n from a order by n desc nulls last, id limit 10
order: select x, k from b where x = 3 order by k desc
order: select x, k from b order by x, k limit 4
order: select x, k from b order by x desc, k desc limit 4
order: select id from a order by id fetch first 3 rows with ties
order: select x from a where x is not null order by x fetch first 3 rows with ties
order: select -id as z from a order by z limit 3
order: select id from a order by id limit 0
order: select id from a order by id limit null offset 30
order: select id from a order by y + 1, id limit 5
select distinct x from a
select distinct x, y from a
select distinct c from b
select distinct f from a where f is not null
order: select distinct on (x) x, id from a order by x, id
order: select distinct on (x) x, id from a order by x desc, id desc
order: select distinct x from a order by x desc
select count(*) from a
select count(*) from a where x = 3
select count(*), count(x), count(distinct x) from a
select count(*) from b where x = 3
select count(*) filter (where y > 2), sum(y) filter (where x = 1) from a
select sum(x), min(x), max(x) from a
select min(id), max(id) from a
select min(id) from a
select max(id) from a where id < 50
select max(x) from a
select min(x) from a where y = 2
select min(s) from a
select max(s) from a where y = 3
select sum(x) from a where false
select count(*) from c
select x, count(*) from a group by x
select x, y, count(*), sum(y) from a group by x, y
select x + 1, count(*) from a group by x + 1
select x % 2, sum(y) from a group by 1 having count(*) > 3
select b, min(s), max(s) from a group by b
select c, count(*) from b group by c
select f, count(*) from a group by f
select count(*) from a having count(*) > 1000
select id, x, count(*) from a group by id
select x, y, count(*), grouping(x, y) from a group by grouping sets ((x, y), (x), ())
select x, y, count(*) from a group by rollup (x, y)
select x, y, sum(id) from a group by cube (x, y)
select x, count(*) from a where false group by x
select count(*) from a where false group by ()
order: select x, sum(y) from a group by x order by sum(y) nulls first, x
order: select x, count(*) as n from a group by x order by n desc, x limit 2
select count(distinct x), sum(distinct y) from a
select x, (select count(*) from b where b.x = a.x) from a group by x
select a.x, (select max(y) from a a2 where a2.x = a.x) from a group by a.x having count(*) > 1
select a.id, b.v from a join b on a.x = b.x
select a.id, b.v from a join b on a.x = b.x and a.y = b.k
select a.id, b.v from a, b where a.x = b.x and b.k = 1 and a.id < 30
select a.id, b.v from a left join b on a.x = b.x
select a.id, b.v from a left join b on a.x = b.x and a.y = b.k
select a.id, b.v from a left join b on a.x = b.x and b.k > 1 where a.y = 2
select a.id, b.v from a left join b on a.x = b.x and a.y > 2
select a.id, b.v from a left join b on a.x = b.x where b.v is null
select a.id, b.v from a left join b on a.x = b.x where b.k = 1
select a.id, b.v from a right join b on a.x = b.x
select a.id, b.v from a right join b on a.x = b.x and a.id > 20
select a.id, b.v from a full join b on a.x = b.x
select a.id, b.v from a full join b on a.x = b.x and a.y = b.k
select a.id, b.v from a full join b on a.id = b.x where a.id is null or b.k = 1
select a.id, c.t from a cross join c where a.id < 10
select a.id, c.t from a join c on a.x < c.p where a.id < 30
select a.id, c.t from a left join c on a.x < c.p and c.q = 1
select c.p, e.id from c full join e on c.p = e.id
select c.p, e.id from c left join e on true
select e.id, c.p from e left join c on true
select e.id, c.p from e right join c on true
select a.id, b.v, c.t from a join b on a.x = b.x join c on c.p = b.k
select a.id, b.v, c.t from a left join b on a.x = b.x left join c on c.p = b.k
select a.id, b.v, c.t from a left join (b join c on c.p = b.k) on a.x = b.x
select a.id, b.v, c.t from a left join (b left join c on c.p = b.k) on a.x = b.x where c.t is null
select a1.id, a2.id from a a1 join a a2 on a1.id = a2.x
select a1.id, a2.id from a a1 join a a2 using (x, y)
select * from b natural join e
select x, a.id from a left join b using (x)
select x, a.id, v from a full join b using (x)
select a.id from a where exists (select 1 from b where b.x = a.x)
select a.id from a where not exists (select 1 from b where b.x = a.x)
select a.id from a where exists (select 1 from b where b.x = a.x and b.k > a.y)
select a.id from a where not exists (select from b where b.x = a.x and b.k > a.y)
select a.id from a where exists (select 1 from b where b.k > a.y and b.v > 'v2')
select a.id from a where exists (select 1 from c)
select a.id from a where exists (select 1 from e)
select a.id from a where not exists (select 1 from e)
select a.id from a where exists (select 1 from b join c on b.k = c.p where b.x = a.x)
select a.id from a where exists (select 1 from b where b.x = a.x limit 1)
select a.id from a where x in (select x from b)
select a.id from a where x not in (select x from b)
select a.id from a where x not in (select p from c)
select a.id from a where x not in (select x from e)
select a.id from a where x in (select p from c where c.q = a.y)
select a.id from a where (x, y) in (select p, q from c)
select a.id from a where (x, y) not in (select p, q from c where p is not null)
select a.id, x in (select p from c) from a
select a.id, (x, y) in (select p, q from c) from a
select a.id from a where x = any (select p from c)
select a.id from a where x > all (select p from c where p is not null)
select a.id from a where x > any (select p from c)
select a.id, x >= all (select p from c) from a
select a.id from a where x = (select max(p) from c)
select a.id, (select v from b where b.x = a.x and b.k = 1) from a
select a.id, (select count(*) from b where b.x = a.x) from a
select a.id, (select count(*) from b where b.x = a.x and exists (select 1 from c where c.p = a.y and c.q = b.k)) from a
select (select id from a where id = 100000)
select (select id from a)
select array(select x from e order by x)
select a.id, exists (select 1 from b where b.x = a.x) from a
select case when exists (select 1 from c where c.p = a.x) then 'y' else 'n' end, id from a
select s.x, s.n from (select x, count(*) as n from a group by x) s where s.n > 2
select s.id from (select id, x from a where y = 1) s where s.x = 2
select s.id, b.v from (select id, x from a where y = 1) s join b on s.x = b.x
select s.id from (select id from a order by id limit 5) s where s.id > 3
select * from (values (1, 'a'), (2, 'b'), (null, 'c')) v (n, t)
select a.id, v.t from a join (values (1, 'a'), (2, 'b')) v (n, t) on a.x = v.n
values (1, 2), (3, 4)
order: values (3), (1), (2) order by 1
select * from a, lateral (select v from b where b.x = a.x) l where a.id < 30
select a.id, l.v from a left join lateral (select v from b where b.x = a.x order by k limit 1) l on true
select a.id, g from a, generate_series(1, a.x) g where a.id < 30
select a.id, l.n from a cross join lateral (select count(*) as n from c where c.p = a.x) l
select a.id, l.v from a join lateral (select b.v from b join c on c.p = b.k where b.x = a.x) l on true
select g from generate_series(1, 10) g
select g from generate_series(1, 10, 3) g where g > 3
order: select g from generate_series(1, 10000) g limit 3
select * from generate_series(1, 3) with ordinality
select * from rows from (generate_series(1, 3), generate_series(1, 2)) as t (a, b)
select g, h from generate_series(1, 3) g, generate_series(g, 3) h
select generate_series(1, 3), id from a where id < 6
select generate_series(1, 2), generate_series(1, 3)
select x, generate_series(1, 2) from a where id < 10 order by 1, 2
select x from a union select x from b
select x from a union all select x from b
select x from a intersect select x from b
select x from a intersect all select x from b
select x from a except select x from b
select x from a except all select x from b
select p from c except select p from c where p > 2
order: select x from a union select k from b order by 1 desc limit 3
select x, y from a union select p, q from c
select x from a union (select p from c intersect select k from b)
order: (select id from a order by id limit 2) union all (select x from b order by x, k limit 2)
with w as (select x, count(*) as n from a group by x) select * from w where n > 2
with w as (select x, count(*) as n from a group by x) select w1.x, w2.n from w w1 join w w2 on w1.x = w2.n
with w as materialized (select * from a) select count(*) from w where id < 10
with w as (select 1 as x), v as (select x + 1 as y from w) select * from v
with recursive r as (select 1 as n union all select n + 1 from r where n < 10) select * from r
with recursive r as (select 1 as n union all select n + 1 from r) select * from r limit 5
with recursive r as (select 1 as n union select (n + 1) % 5 from r) select * from r
with recursive r (i, d) as (select id, 0 from a where id < 5 union all select a.id, d + 1 from a join r on a.x = r.i and d < 3) select * from r
select a.id, (with w as (select v from b where b.x = a.x) select count(*) from w w1, w w2) from a
select id, row_number() over (order by id) from a
select id, rank() over (order by x), dense_rank() over (order by x) from a
select id, row_number() over (partition by x order by id) from a
select id, count(*) over () from a
select id, sum(y) over (partition by x order by id) from a
select id, sum(y) over (order by id rows between 1 preceding and 1 following) from a
select id, count(*) over (order by x range between 1 preceding and 1 following) from a
select id, count(*) over (order by x desc range between 1 preceding and 1 following) from a
select id, count(*) over (order by x groups between 1 preceding and current row) from a
select id, count(*) over (order by x rows between unbounded preceding and current row exclude ties) from a
select id, count(*) over (order by x rows between unbounded preceding and unbounded following exclude group) from a
select id, lag(id) over (order by id), lead(id, 2, -1) over (order by id) from a
select id, first_value(id) over w, last_value(id) over w, nth_value(id, 2) over w from a window w as (partition by x order by id)
select id, ntile(3) over (order by id), percent_rank() over (order by x), cume_dist() over (order by x) from a
select x, count(*), rank() over (order by count(*) desc) from a group by x
select x, sum(count(*)) over (order by x) from a group by x
order: select id, sum(x) over (order by id) from a order by id limit 4
select id, min(y) over (partition by x), max(y) over (order by id rows 2 preceding) from a
select case x when 1 then 'one' when 2 then 'two' else 'more' end from a
select case when x > 3 then 1 / (x - x) else 0 end from a where x < 3
select coalesce(x, y, -1), nullif(x, y), greatest(x, y), least(x, y) from a
select x is null, y is not null, b is true, b is unknown, b is not false from a
select x and y from (select b as x, b as y from a) t
select (b or x > 3), (b and x > 3), not b from a
select array[x, y], array[1, 2, 3][2], (array[x, y])[1] from a
select x = any (array[1, 2, null]), x <> all (array[1, 2]) from a
select 1 / 0
select 1 / (x - x) from a
select id from a where 1 / (id - id) = 1
select id from a where x > 100 and 1 / (x - x) = 1
select 2147483647 + 1
select sum(id) from a where (select true)
select * from e
select count(*), sum(id) from e
select x, count(*) from e group by x
select a.id from a where a.x = (select b.k from b where b.v = 'v7')
select id from a where id = (select min(id) from a)
select count(*) from a a1, a a2, b where a1.x = a2.y and a2.id = b.x
select count(*) from a where id <> all (select x from b)
order: select id from a order by id offset 38
select id from a limit -1
select id from a offset -1
select a is null, (a).x from a where id < 10
select (t).y from (select x, y from a where id < 10) t
select string_agg(s, ',' order by id) from a
select x, string_agg(s, ',' order by s desc, id), array_agg(y order by id) from a group by x
select array_agg(distinct x), array_agg(distinct x order by x desc) from a
select percentile_cont(0.5) within group (order by x), percentile_disc(0.3) within group (order by y desc), mode() within group (order by x) from a
select x, bool_or(b), bool_and(b), avg(y), avg(n) from a group by x
select sum(n), avg(n), min(n), max(f) from a
select count(*) from a where s like 'a%'
select a.id from a left join b on a.x = b.x and b.v like 'v1%' where coalesce(b.k, -1) <> 2
select * from (select x + 1 as z, y from a) s where z = 3 and y > 1
select * from (select distinct x, y from a) s where x = 3
select * from (select x, random() as r from a) s where x = 3 and r > 2
select s.z, b.v from (select x as z, id from a) s left join b on b.x = s.z where s.id < 20 and exists (select 1 from c where c.p = s.z)
select * from (select x, count(*) as n from a group by x) s where x = 3 and n > 0
select * from a left join (select x + 0 as z, v from b) s on s.z = a.x where s.z is null
select * from (select id, row_number() over (order by id) as n from a) s where id > 20
select a.id, (with w as (select v from b where b.x = a.x) select (select count(*) from w)) from a
select a.id, (with w as materialized (select v from b where b.x = a.x) select (select count(*) from w) + count(*) from w) from a
select a.id, (with w as (select k from b where b.x = a.x) select sum(c.p) from c where c.p in (select k from w)) from a
with w as (select x from b) select a.id from a where a.x in (select x from w) and exists (select 1 from w where w.x = a.y)
