"""A session without a database: each statement says what to answer. For tests of everything around it.

Statements are `fail`, `defect`, `broken`, `commit fails` (at Sync), `begin`, `commit`, `slices N`,
`rows N SIZE` (a slice after every 16), `forever`, `wait`, `copy in`, `copy out`, nothing. Others are echoed.
"""

from collections.abc import Iterator, Mapping, Sequence

from journal.broken import Broken
from server.errors import PgError
from server.pgwire import codec
from server.pgwire.session_protocol import Session
from server.session.work import SLICE, Wait, Work

PASSWORD_SALT = b"0123456789abcdef"
ECHO = codec.row_description([codec.Column("echo", 0, 0, 25, -1, -1, 0)])


class CannedSession:
    """Answers as its statements say, and remembers the calls."""

    def __init__(self, process_id: int, options: Mapping[str, str], out: list[bytes]) -> None:
        self.status = b"I"
        self.copying = False
        self.process_id = process_id
        self.secret = b"\x01\x02\x03\x04"
        self.options = options
        self.out = out
        self.calls: list[tuple[object, ...]] = []
        self.waits: list[Wait[str]] = []
        self.copied: list[bytes] = []
        self.cancelled = False
        self.closed = 0
        self.commit_fails = False
        self._rest: list[str] = []
        self._statements = {"": ""}
        self._portals: dict[str, str] = {}

    def parameters(self) -> Mapping[str, str]:
        return {"application_name": self.options.get("application_name", "")}

    def query(self, sql: str) -> Work | None:
        self.calls.append(("query", sql))
        self._rest = [statement.strip() for statement in sql.split(";")]
        return self._run_rest()

    def parse(self, name: str, sql: str, oids: Sequence[int]) -> None:
        self.calls.append(("parse", name, sql, tuple(oids)))
        if sql == "parse fails":
            raise PgError("42601", 'syntax error at or near "parse"', position=1)
        self._statements[name] = sql
        self.out.append(codec.PARSE_COMPLETE)

    def bind(
        self,
        portal: str,
        statement: str,
        formats: Sequence[int],
        values: Sequence[bytes | None],
        result_formats: Sequence[int],
    ) -> None:
        self.calls.append(("bind", portal, statement, tuple(formats), tuple(values), tuple(result_formats)))
        if statement not in self._statements:
            raise PgError("26000", f'prepared statement "{statement}" does not exist')
        self._portals[portal] = self._statements[statement]
        self.out.append(codec.BIND_COMPLETE)

    def describe_statement(self, name: str) -> None:
        self.calls.append(("describe_statement", name))
        self.out += [codec.parameter_description([]), ECHO]

    def describe_portal(self, name: str) -> None:
        self.calls.append(("describe_portal", name))
        self.out.append(ECHO)

    def execute(self, portal: str, max_rows: int) -> Work | None:
        self.calls.append(("execute", portal, max_rows))
        return self._run(self._portals[portal], described=True)

    def close_statement(self, name: str) -> None:
        self.calls.append(("close_statement", name))
        self.out.append(codec.CLOSE_COMPLETE)

    def close_portal(self, name: str) -> None:
        self.calls.append(("close_portal", name))
        self.out.append(codec.CLOSE_COMPLETE)

    def sync(self) -> Work | None:
        self.calls.append(("sync",))
        if self.commit_fails:
            self.commit_fails = False
            return self._failing_commit()
        return None

    def failed(self, error: PgError) -> None:
        self.calls.append(("failed", error.sqlstate))
        self.status = b"E" if self.status == b"T" else self.status
        self.copying = False

    def copy_data(self, data: bytes) -> None:
        self.copied.append(data)
        if data == b"bad":
            raise PgError("22P04", "extra data after last expected column")

    def copy_done(self) -> Work | None:
        self.copying = False
        self.out.append(codec.command_complete(f"COPY {len(self.copied)}"))
        return self._run_rest()

    def copy_fail(self, message: str) -> None:
        raise PgError("57014", f"COPY from stdin failed: {message}")

    def cancel(self) -> None:
        self.cancelled = True

    def close(self) -> None:
        self.closed += 1

    def _failing_commit(self) -> Work:
        wait: Wait[str] = Wait()
        self.waits.append(wait)
        yield wait
        raise PgError("40001", "change conflicts with another transaction (OC000)")

    def _run_rest(self) -> Work | None:
        while self._rest:
            work = self._run(self._rest.pop(0), described=False)
            if work is not None:
                return self._continue(work)
            if self.copying:
                return None
        return None

    def _continue(self, work: Work) -> Work:
        yield from work
        following = self._run_rest()
        if following is not None:
            yield from following

    def _run(self, statement: str, described: bool) -> Work | None:
        word, *numbers = statement.split() or [""]
        if word in ("slices", "rows", "forever", "wait"):
            if not described:
                self.out.append(ECHO)
            return self._long(word, [int(n) for n in numbers])
        if word == "":
            self.out.append(codec.EMPTY_QUERY)
        elif word == "fail":
            raise PgError("22012", "division by zero")
        elif word == "defect":
            raise ZeroDivisionError(statement)
        elif word == "broken":
            raise Broken("test")
        elif word == "copy":
            self._copy(numbers_in=statement == "copy in")
        elif word in ("begin", "commit"):
            self.status = b"T" if word == "begin" else b"I"
            self.commit_fails = statement == "commit fails"
            self.out.append(codec.command_complete(word.upper()))
        else:
            if not described:
                self.out.append(ECHO)
            self.out += [codec.data_row([statement.encode()]), codec.command_complete("SELECT 1")]
        return None

    def _copy(self, numbers_in: bool) -> None:
        if numbers_in:
            self.copied.clear()
            self.copying = True
            self.out.append(codec.copy_in_response(False, 1))
            return
        self.out += [codec.copy_out_response(False, 1), codec.copy_data(b"1\n"), codec.copy_data(b"2\n")]
        self.out += [codec.COPY_DONE, codec.command_complete("COPY 2")]

    def _long(self, word: str, numbers: list[int]) -> Work:
        for number in self._steps(word, numbers):
            if self.cancelled:
                self.cancelled = False
                raise PgError("57014", "canceling statement due to user request")
            if word == "wait":
                wait: Wait[str] = Wait()
                self.waits.append(wait)
                yield wait
                self.out.append(codec.data_row([wait.value().encode()]))
                continue
            size = numbers[1] if word == "rows" else 1
            self.out.append(codec.data_row([b"x" * size]))
            if word != "rows" or number % 16 == 15:
                yield SLICE
        self.out.append(codec.command_complete("SELECT 1"))

    @staticmethod
    def _steps(word: str, numbers: list[int]) -> Iterator[int]:
        if word == "forever":
            number = 0
            while True:
                yield (number := number + 1)
        yield from range(numbers[0] if numbers else 1)


class CannedNode:
    """Everybody may enter, unless `passwords` or `tokens` says what each has to give. Also a `Gate`."""

    def __init__(
        self, passwords: Mapping[str, str] | None = None, tokens: Mapping[str, str] | None = None
    ) -> None:
        self.gate = self
        self.passwords = passwords
        self.tokens = tokens
        self.sessions: list[CannedSession] = []
        self.cancels: list[tuple[int, bytes]] = []
        self.failures: list[Broken] = []

    def open_session(self, user: str, database: str, options: dict[str, str], out: list[bytes]) -> Session:
        session = CannedSession(1000 + len(self.sessions), options, out)
        self.sessions.append(session)
        return session

    def cancel(self, process_id: int, secret: bytes) -> None:
        self.cancels.append((process_id, secret))

    def broken(self, error: Broken) -> None:
        self.failures.append(error)

    cluster_id: str | None = None

    def at(self, server_name: str | None, cluster_id: str | None) -> "CannedNode":
        return self

    def method(self, user: str, database: str, is_tls: bool) -> str:
        if self.tokens is not None:
            return "token"
        return "trust" if self.passwords is None else "scram"

    def verifier(self, user: str) -> str | None:
        assert self.passwords is not None
        return self.passwords.get(user)

    def check_token(self, user: str, token: str) -> None:
        assert self.tokens is not None
        if self.tokens.get(user) != token:
            raise PgError("08006", "unable to accept connection, access denied", severity="FATAL")

    def check_role(self, user: str, database: str, options: Mapping[str, str]) -> None:
        if user == "nobody":
            raise PgError("28000", f'role "{user}" does not exist', severity="FATAL")
        if database != "postgres":
            raise PgError("3D000", f'database "{database}" does not exist', severity="FATAL")
