"""Trees of statements, DSQL's own syntax, and the texts of its refusals."""

import pytest

from server.errors import PgError
from server.sql import ast, refusals
from server.sql.parse import parse, parse_expression


def one(sql: str) -> ast.Statement:
    (parsed,) = parse(sql)
    return parsed.statement


def expr(text: str) -> ast.Expr:
    return parse_expression(text)


def shape(node: object) -> str:
    """An expression as text with parentheses."""
    match node:
        case ast.ColumnRef(names):
            return ".".join(names)
        case ast.Literal(_, text):
            return text
        case ast.Op(name, None, right):
            return f"({name} {shape(right)})"
        case ast.Op(name, left, right):
            return f"({shape(left)} {name} {shape(right)})"
        case ast.BoolExpr(op, args):
            return f"({op} {' '.join(map(shape, args))})"
        case ast.NullTest(arg, negated):
            return f"({shape(arg)} is {'not ' if negated else ''}null)"
        case ast.FuncCall(names, args):
            return f"{names[-1]}({', '.join(map(shape, args))})"
        case ast.TypeCast(arg, type_):
            return f"{shape(arg)}::{type_.names[-1]}"
    return repr(node)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * c", "(a + (b * c))"),
        ("a and b and c", "(and a b c)"),
        ("a or b and not c", "(or a (and b (not c)))"),
        ("- a ^ b", "((- a) ^ b)"),
        ("- 5", "-5"),
        ("- 5::text", "(- 5::text)"),
        ("a || b = c", "((a || b) = c)"),
        ("a = b is null", "((a = b) is null)"),
        ("not a = b", "(not (a = b))"),
        ("a < not b = c", "(a < (not (b = c)))"),
        ("a like b escape c", "(a ~~ like_escape(b, c))"),
        ("a not ilike b", "(a !~~* b)"),
        ("a similar to b", "(a ~ similar_to_escape(b))"),
        ("a at time zone b", "timezone(b, a)"),
        ("substring(a from b for c)", "substring(a, b, c)"),
        ("position(a in b)", "position(b, a)"),
        ("trim(leading a from b)", "ltrim(b, a)"),
        ("extract(year from a)", "extract(year, a)"),
        ("a::int8::text", "a::int8::text"),
        ("((a))", "a"),
    ],
)
def test_expressions(text: str, expected: str) -> None:
    assert shape(expr(text)) == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("9223372036854775807", "integer"),
        ("9223372036854775808", "float"),
        ("-9223372036854775808", "integer"),
        ("0x7fffffffffffffff", "integer"),
        ("1.0", "float"),
        ("1e3", "float"),
    ],
)
def test_kinds_of_numbers(text: str, kind: str) -> None:
    found = expr(text)
    assert isinstance(found, ast.Literal)
    assert found.kind == kind


@pytest.mark.parametrize(
    ("type_", "names", "modifiers"),
    [
        ("integer", ("pg_catalog", "int4"), ()),
        ("varchar(3)", ("pg_catalog", "varchar"), ("3",)),
        ("char", ("pg_catalog", "bpchar"), ("1",)),
        ("numeric(10, 2)", ("pg_catalog", "numeric"), ("10", "2")),
        ("float(24)", ("pg_catalog", "float4"), ()),
        ("double precision", ("pg_catalog", "float8"), ()),
        ("timestamp(3) with time zone", ("pg_catalog", "timestamptz"), ("3",)),
        ("text", ("text",), ()),
        ('s."T"', ("s", "T"), ()),
    ],
)
def test_types(type_: str, names: tuple[str, ...], modifiers: tuple[str, ...]) -> None:
    found = expr(f"a::{type_}")
    assert isinstance(found, ast.TypeCast)
    assert found.type.names == names
    assert tuple(m.text for m in found.type.modifiers if isinstance(m, ast.Literal)) == modifiers


def test_in_with_a_query_is_a_sublink_and_with_values_a_list() -> None:
    assert isinstance(expr("a in (1, 2)"), ast.InList)
    link = expr("a in ((select 1))")
    assert isinstance(link, ast.SubLink)
    assert (link.kind, link.operator) == ("any", "=")
    assert isinstance(expr("a not in (select 1)"), ast.BoolExpr)
    assert isinstance(expr("a = any (b)"), ast.ArrayOp)


def test_statements_know_their_text_place_and_parameters() -> None:
    first, second = parse(" select $2 ; ; delete from t where a = $1;")
    assert (first.text, first.start, first.parameters) == ("select $2", 1, 2)
    assert (second.text, second.start, second.parameters) == ("delete from t where a = $1", 15, 1)


def test_an_error_anywhere_refuses_the_whole_text() -> None:
    with pytest.raises(PgError) as caught:
        parse("select 1; selec 2")
    assert (caught.value.message, caught.value.position) == ('syntax error at or near "selec"', 11)


def test_stored_texts_are_slices_of_the_source() -> None:
    table = one("create table t (a int default 1 + 2 not null check ( a  > 0 ))")
    assert isinstance(table, ast.CreateStmt)
    (column,) = table.elements
    assert isinstance(column, ast.ColumnDef)
    assert [c.expr_text for c in column.constraints] == ["1 + 2", None, "a  > 0"]


def test_attributes_of_a_column_belong_to_the_constraint_before_them() -> None:
    table = one("create table t (a int references u deferrable initially deferred)")
    assert isinstance(table, ast.CreateStmt)
    (column,) = table.elements
    assert isinstance(column, ast.ColumnDef)
    assert (column.constraints[0].deferrable, column.constraints[0].initially_deferred) == (True, True)


@pytest.mark.parametrize(
    ("sql", "asynchronous", "name"),
    [
        ("create index async i on t (a)", True, ("i",)),
        ("create unique index async on t (a)", True, None),
        ("create index async if not exists i on t (a)", True, ("i",)),
        ("create index i on t (a)", False, ("i",)),
        ('create index "async" on t (a)', False, ("async",)),
    ],
)
def test_create_index_async(sql: str, asynchronous: bool, name: ast.Names | None) -> None:
    index = one(sql)
    assert isinstance(index, ast.IndexStmt)
    assert (index.asynchronous, index.name) == (asynchronous, name)


def test_alter_table_async() -> None:
    found = one("alter table async s.t validate constraint c")
    assert isinstance(found, ast.AlterTableStmt)
    assert (found.asynchronous, found.relation.names) == (True, ("s", "t"))
    plain = one("alter table async validate constraint c")
    assert isinstance(plain, ast.AlterTableStmt)
    assert (plain.asynchronous, plain.relation.names) == (False, ("async",))


def test_aws_iam_grant() -> None:
    assert one("aws iam grant r to 'arn:x'") == ast.IamGrantStmt(True, "r", "arn:x", 0)
    assert one("AWS IAM REVOKE r FROM 'arn:x'") == ast.IamGrantStmt(False, "r", "arn:x", 0)


def test_call() -> None:
    call = one("call sys.wait_for_job('x')")
    assert isinstance(call, ast.CallStmt)
    assert call.function.names == ("sys", "wait_for_job")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("truncate t", "unsupported statement: Truncate"),
        ("create extension if not exists x", "unsupported statement: CreateExtension"),
        ("create database d", "unsupported statement: Createdb"),
        ("listen x", "unsupported statement: Listen"),
        ("lock table t", "unsupported statement: Lock"),
        ("do $$ begin; end $$", "unsupported statement: Do"),
        ("declare c cursor for select 1", "unsupported statement: DeclareCursor"),
        ("execute p(1)", "unsupported statement: Execute"),
        ("explain execute p", "unsupported statement: Execute"),
        ("merge into t using s on true when matched then do nothing", "unsupported statement type: MERGE"),
        ("vacuum (full) t", "unsupported VACUUM statement"),
        ("create type t as enum ('a')", "CREATE TYPE not supported"),
        ("create type t as (a int)", "unsupported statement: CompositeType"),
        ("create type t as range (subtype = int)", "unsupported statement: CreateRange"),
        ("alter type t add value 'x'", "ALTER TYPE not supported"),
        ("alter type t rename to u", "unsupported object in RENAME statement"),
        ("alter type t rename attribute a to b", "ALTER TYPE not supported"),
        (
            "create function f() returns int language plpgsql as ''",
            "CREATE FUNCTION with language plpgsql not supported",
        ),
        ("create trigger x before insert on t execute function f()", "CREATE TRIGGER not supported"),
        ("create procedure p() language sql as 'x'", "PROCEDURE is not supported"),
        ("create policy p on t", "unsupported statement: CreatePolicy"),
        ("create foreign table t (a int) server s", "unsupported statement: CreateForeignTable"),
        ("alter system set a = 1", "unsupported statement: AlterSystem"),
        ("create materialized view v as select 1", "unsupported statement: CreateTableAs"),
        ("drop extension x", "unsupported object in DROP statement"),
        ("grant execute on procedure f(int) to r", "unsupported object type in GRANT"),
    ],
)
def test_statements_refused_whole(sql: str, message: str) -> None:
    first, second = parse(f"{sql}; select 1")
    assert isinstance(first.statement, ast.Unsupported)
    refusal = refusals.find(first.statement)
    assert refusal is not None
    assert refusal.error(refusal.shown(first.statement)).message == message
    assert first.text == sql
    assert isinstance(second.statement, ast.SelectStmt)


def test_semicolons_in_a_function_body_do_not_end_the_statement() -> None:
    body = "begin atomic select 1; select case when true then 1 end; end"
    found = parse(f"create function f() returns int language sql {body}; select 2")
    assert [type(p.statement) for p in found] == [ast.Unsupported, ast.SelectStmt]


def test_text_that_nests_too_deep_is_refused() -> None:
    with pytest.raises(PgError) as caught:
        parse("select " + "(" * 20_000 + "1" + ")" * 20_000)
    assert caught.value.sqlstate == "54001"


def test_long_chains_need_no_depth() -> None:
    assert isinstance(one("select 1" + " union all select 1" * 3_000), ast.SetOperation)
    assert isinstance(expr(" or ".join(["a = 1"] * 3_000)), ast.BoolExpr)
    assert isinstance(expr(" + ".join(["1"] * 3_000)), ast.Op)
