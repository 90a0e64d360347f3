"""One client connection as a state machine without I/O: bytes in, calls to a session, bytes out.

The protocol (PostgreSQL chapter 55) has two levels, and this module keeps them apart. Messages have a
meaning only in a mode: before log-in, ready, skipping to Sync after an error in the extended protocol, and
COPY FROM STDIN, which looks different inside a simple query and inside an extended one. So a mode is a
table, from message type to three things: the method that reads the message and calls the session, the
method that comes after the call, and the method that comes after its error. Changing mode is assigning
another table. What a type means in a mode is one line below, and what is not in the table does not exist:
an unknown type ends the connection, since after it nothing in the stream can be trusted.

The shell (server/runtime/listener.py) hands over what the socket gave, and writes what `output` returns.
`receive` works through all complete messages in one pass, directly on the buffer: no object per message,
no copy but of the values themselves. Whatever a client pipelined is answered by one write.

Time enters in one place. A session method that cannot finish at once returns a Work, a generator, and the
connection drives it: inline for as long as it likes to run, until it yields. Then `waiting` says what for:
`SLICE`, the others are to have a turn first; or a `Wait` that somebody will fire. The shell calls `turn`
when that has come. Until the Work has ended no further message is looked at; bytes that arrive meanwhile
are kept, and the shell stops reading the socket when there are many (`congested`). The same `SLICE` ends a
pass that has handled very many messages, and the same `held` that stops a Work whose client does not read
its answers stops the pass. So one client can neither starve the others nor fill the memory: input is
bounded by the message limit, output by one slice beyond the socket's high-water mark.

Nor may an answer leave too early. PostgreSQL sends at Sync, Flush, the end of a simple query, an error, or
when a buffer is full, and so do we, whatever way the bytes were cut: `output` returns what lies before the
last such point. This lets a session take back the CommandComplete of an implicit transaction whose
commit, at Sync, fails.

Errors: a PgError answers with ErrorResponse and the session aborts its transaction. Any other Exception is
a defect: the one `except Exception` of the program, here, turns it into XX000 with a number under which
the log has its traceback, and only that transaction fails. Broken invariants are BaseExceptions and pass
through: then the node must stop rather than answer anybody.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pygwire import messages as pg

from server.errors import ConnectionDropped, PgError
from server.pgwire import codec, startup
from server.pgwire.session_protocol import Session, SessionFactory
from server.session.work import SLICE, Slice, Wait, Work

MESSAGE_LIMIT = 10 << 20
"""Bytes of one message, unless the server is told less (dsql-reference §4)."""
MESSAGES_PER_TURN = 256
OUTPUT_THRESHOLD = 64 << 10
"""Bytes of answers above which a suspended or unfinished exchange is sent as far as it has come."""
INPUT_THRESHOLD = 256 << 10
"""Bytes that may wait while the connection is not reading messages."""

_unpack_head = struct.Struct("!BI").unpack_from
_LENGTH = struct.Struct("!I")


@dataclass(slots=True)
class Counters:
    """What a listener and its connections count."""

    accepted: int = 0
    refused: int = 0
    open: int = 0
    entered: int = 0
    failed_logins: int = 0
    cancel_requests: int = 0
    messages: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    errors: int = 0
    internal_errors: int = 0
    protocol_violations: int = 0


Admit: TypeAlias = Callable[[str, Mapping[str, str]], Work | None]


@dataclass(frozen=True, slots=True)
class Environment:
    """What the connections of one listener share."""

    policy: startup.Policy
    open_session: SessionFactory
    report: Callable[[Exception], str]
    """Log a defect with its traceback; returns the id that the client is told."""
    counters: Counters
    admit: Admit = lambda user, options: None
    """What is to be waited for before an authenticated user may enter, with these start-up options; raises PgError."""
    message_limit: int = MESSAGE_LIMIT
    """Bytes of one message."""


class Connection:
    """The state of one connection; every method is called from one thread, never from inside another."""

    __slots__ = (
        "_after",
        "_budget",
        "_buffer",
        "_chunks",
        "_due",
        "_environment",
        "_message_limit",
        "_mode",
        "_needed",
        "_on_error",
        "_position",
        "_startup",
        "_work",
        "buffered",
        "cancel",
        "closing",
        "held",
        "out",
        "session",
        "upgrade",
        "waiting",
    )

    def __init__(self, environment: Environment, peer: str, refusal: PgError | None = None) -> None:
        """`peer`: the client's address; `refusal`: a FATAL error for whoever asks for a session."""
        self.out: list[bytes] = []
        self.session: Session | None = None
        self.waiting: Slice | Wait[Any] | None = None
        """Not None: call `turn`, soon for SLICE, when it is done for a Wait."""
        self.held = False
        """Set by the shell while the client does not read; after clearing it call `turn`."""
        self.upgrade = False
        """The answer to SSLRequest is in the output: write it, clear this, call `encrypted`, speak TLS."""
        self.cancel: tuple[int, bytes] | None = None
        """A cancel request's process id and secret; the connection is closing."""
        self.closing = False
        """Write the output and close."""
        self.buffered = 0
        self._environment = environment
        self._message_limit = environment.message_limit
        self._startup: startup.Startup | None = startup.Startup(environment.policy, peer, self.out, refusal)
        self._mode: Mode | None = None
        self._buffer = b""
        self._position = 0
        self._chunks: list[bytes] = []
        self._budget = 0
        self._needed = 4
        self._due = 0
        self._work: Work | None = None
        self._after: Step | None = None
        self._on_error: Step | None = None

    @classmethod
    def resumed(
        cls, environment: Environment, make: Callable[[list[bytes]], Session], greeted: str | None = None
    ) -> "Connection":
        """The connection of a client that has logged in elsewhere; `make` its session, answering into that list.

        `greeted`: the user, who has just done so and is told the parameters.
        """
        connection = cls(environment, "")
        connection.session = make(connection.out)
        connection._log_in()
        environment.counters.open += 1
        if greeted is not None:
            connection._greet(connection.session, greeted)
        return connection

    # What the shell calls

    def receive(self, data: bytes) -> None:
        """Take bytes from the client and do what they ask, as far as it goes."""
        if self.closing:
            return
        if self.buffered:
            self._chunks.append(data)
        else:
            self._buffer = data
            self._position = 0
        self.buffered += len(data)
        if self.waiting is None:
            if self.held:
                self.waiting = SLICE
            elif self.buffered >= self._needed:
                self._step()

    def turn(self) -> None:
        """Go on after `waiting`; also after `held` was cleared."""
        if self.held:
            self.waiting = SLICE
        elif not self.closing:
            self.waiting = None
            self._step()

    def output(self) -> bytes:
        """What may be sent now, taken out of `out`; everything if the connection ends."""
        out = self.out
        due = self._due
        if due != len(out):
            if self.closing or (not isinstance(self.waiting, Wait) and _exceeds(out, OUTPUT_THRESHOLD)):
                due = len(out)
            elif due == 0:
                return b""
        self._due = 0
        if due == len(out):
            data = b"".join(out)
            out.clear()
            return data
        data = b"".join(out[:due])
        del out[:due]
        return data

    @property
    def congested(self) -> bool:
        """Whether the shell is to stop reading from the socket."""
        return self.waiting is not None and self.buffered > INPUT_THRESHOLD

    @property
    def entered(self) -> bool:
        """Whether the client has logged in."""
        return self.session is not None

    @property
    def is_at_rest(self) -> bool:
        """Whether it is between two exchanges: the last one is answered, and nothing of another has come."""
        return (
            self._mode is _READY
            and self._on_error is Connection._ready
            and self.waiting is None
            and not (self.out or self.buffered or self.closing)
        )

    def encrypted(self, server_name: str | None = None) -> None:
        """From now on the bytes come out of TLS; `server_name` is what the client called the server."""
        if self._startup is not None:
            self._startup.is_tls = True
            self._startup.server_name = server_name

    def terminate(self, error: PgError) -> None:
        """End the connection with a FATAL error, whatever it is doing, between two steps."""
        if not self.closing:
            self._drop_work()
            self._fatal(error)

    def close(self) -> None:
        """The socket is gone: drop the work and the session."""
        self.closing = True
        self._drop_work()
        self._chunks.clear()
        self.out.clear()
        session, self.session = self.session, None
        if session is not None:
            self._environment.counters.open -= 1
            session.close()

    # Framing

    def _step(self) -> None:
        """Do what there is to do until it waits or ends; errors answer the message that they come from."""
        self._budget = MESSAGES_PER_TURN
        while True:
            try:
                if self._work is not None:
                    self._drive()
                if self.waiting is None and not self.closing and self.buffered >= self._needed:
                    self._read()
                return
            except PgError as error:
                self._fail(error)
            except Exception as defect:  # the one edge: only this transaction fails
                self._environment.counters.internal_errors += 1
                self._fail(PgError("XX000", f"internal error {self._environment.report(defect)}"))

    def _read(self) -> None:
        chunks = self._chunks
        if chunks:
            self._buffer = b"".join((self._buffer[self._position :], *chunks))
            self._position = 0
            chunks.clear()
        if self._mode is None:
            self._read_startup()
        if self._mode is not None and not self.closing:
            self._read_messages(self._mode)
        self.buffered = len(self._buffer) - self._position
        if self._position:
            self._buffer = self._buffer[self._position :]
            self._position = 0

    def _read_messages(self, mode: "Mode") -> None:
        """The one pass over what has arrived."""
        buffer = self._buffer
        position = self._position
        size = len(buffer)
        budget = first = self._budget
        self._needed = 5
        try:
            while budget:
                if size - position < 5:
                    return
                kind, length = _unpack_head(buffer, position)
                stop = position + 1 + length
                entry = mode.get(kind)
                if entry is None or not 4 <= length <= self._message_limit:
                    self._violate(kind, entry is None)
                    return
                if stop > size:
                    self._needed = length + 1
                    return
                call, after, self._on_error = entry
                start = position + 5
                position = stop
                budget -= 1
                work = call(self, buffer, start, stop)
                if work is None:
                    if after is not None:
                        after(self)
                else:
                    self._work, self._after = work, after
                    self._drive()
                if self.waiting is not None or self.closing:
                    return
                mode = self._mode  # type: ignore[assignment]  # never None again
            self.waiting = SLICE
        finally:
            self._budget = budget
            self._position = position
            self.buffered = size - position
            self._environment.counters.messages += first - budget

    def _read_startup(self) -> None:
        """Start-up packets and password messages, as far as they are all there."""
        entry = self._startup
        assert entry is not None
        buffer = self._buffer
        while self._mode is None and self._work is None and not self.closing and not self.upgrade:
            password = bool(entry.user)
            start = self._position + password
            self._needed = 4 + password
            if len(buffer) - self._position < self._needed:
                return
            if password and buffer[self._position] != 0x70:  # p
                kind = buffer[self._position]
                raise startup.fatal("08P01", f"expected {entry.awaited} response, got message type {kind}")
            (length,) = _LENGTH.unpack_from(buffer, start)
            limit = startup.MAX_PASSWORD_MESSAGE if password else startup.MAX_STARTUP_PACKET
            if not (4 if password else 8) <= length <= limit:
                what = "message length" if password else "length of startup packet"
                raise startup.fatal("08P01", f"invalid {what}")
            stop = start + length
            if stop > len(buffer):
                self._needed = stop - self._position
                return
            self._position = stop
            body = buffer[start + 4 : stop]
            following = entry.password(body) if password else entry.packet(body)
            self._follow(following, entry, len(buffer) > stop)

    def _follow(self, following: startup.Next, entry: startup.Startup, more: bool) -> None:
        self._due = len(self.out)
        if following is startup.Next.ENTERED:
            self._enter(entry)
        elif following is startup.Next.CANCEL:
            self._environment.counters.cancel_requests += 1
            self.cancel = entry.cancel
            self.closing = True
        elif following is startup.Next.TLS:
            if more:
                # Bytes sent in clear before the handshake could have been injected (CVE-2021-23222).
                self.out.clear()
                raise startup.fatal("08P01", "received unencrypted data after SSL request")
            self.upgrade = True

    def _enter(self, entry: startup.Startup) -> None:
        work = self._environment.admit(entry.user, entry.options)
        if work is None:
            self._admitted(entry)
        else:
            self._work, self._after = work, lambda connection: connection._admitted(entry)
            self._drive()

    def _admitted(self, entry: startup.Startup) -> None:
        self.out.append(pg.AuthenticationOk().to_wire())
        self._open(entry)

    def _open(self, entry: startup.Startup) -> None:
        session = self._environment.open_session(entry.user, entry.database, entry.options, self.out)
        self.session = session
        self._environment.counters.entered += 1
        self._environment.counters.open += 1
        self._greet(session, entry.user)
        self._log_in()

    def _log_in(self) -> None:
        self._startup = None
        self._mode = _READY
        self._needed = 5
        self._on_error = Connection._ready

    def _greet(self, session: Session, user: str) -> None:
        reported = {**startup.FIXED_PARAMETERS, "session_authorization": user, **session.parameters()}
        for name, value in reported.items():
            self.out.append(codec.parameter_status(name, value))
        key = pg.BackendKeyData(process_id=session.process_id, secret_key=session.secret)
        self.out.append(key.to_wire())
        self._ready()

    # Work and errors

    def _drive(self) -> None:
        """Resume the work until it ends or has to wait; then what comes after the message."""
        work = self._work
        assert work is not None
        for wanted in work:
            if isinstance(wanted, Slice) or not wanted.done:
                self.waiting = wanted
                return
        self._work = None
        if self._after is not None:
            self._after(self)

    def _drop_work(self) -> None:
        work, self._work = self._work, None
        waiting, self.waiting = self.waiting, None
        if isinstance(waiting, Wait):
            waiting.callback = None
        if work is not None:
            work.close()

    def _fail(self, error: PgError) -> None:
        self._work = None
        session = self.session
        if session is None:
            self._environment.counters.failed_logins += 1
        if session is None or error.severity == "FATAL":
            self._fatal(error)
            return
        self._environment.counters.errors += 1
        self.out.append(codec.error_response(error))
        self._due = len(self.out)
        session.failed(error)
        if self._on_error is not None:
            self._on_error(self)

    def _fatal(self, error: PgError) -> None:
        error.severity = "FATAL"
        if isinstance(error, ConnectionDropped):
            self.out.clear()
        else:
            self.out.append(codec.error_response(error))
        self.closing = True

    def _violate(self, kind: int, unknown: bool) -> None:
        self._environment.counters.protocol_violations += 1
        if not unknown:
            self._fatal(codec.violation("invalid message length"))
        elif self._mode in (_COPY_SIMPLE, _COPY_EXTENDED) and kind in _READY:
            # PostgreSQL stops here too: it has read the type, and does not trust the rest (CopyGetData).
            stray = f"unexpected message type 0x{kind:02X} during COPY from stdin"
            self._fatal(codec.violation(stray))
        else:
            self._fatal(codec.violation(f"invalid frontend message type {kind}"))

    def _logged_in(self) -> Session:
        session = self.session
        assert session is not None
        return session

    # After a message

    def _ready(self) -> None:
        """The exchange is over."""
        self.out.append(codec.READY[self._logged_in().status])
        self._due = len(self.out)
        self._mode = _READY

    def _skip(self) -> None:
        self._mode = _SKIP

    def _after_query(self) -> None:
        if self._logged_in().copying:
            self._due = len(self.out)
            self._mode = _COPY_SIMPLE
        else:
            self._ready()

    def _after_execute(self) -> None:
        if self.session.copying:  # type: ignore[union-attr]  # hot
            self._due = len(self.out)
            self._mode = _COPY_EXTENDED

    def _after_copy(self) -> None:
        """CopyDone or CopyFail inside an extended exchange."""
        self._mode = _COPY_EXTENDED if self._logged_in().copying else _READY

    # Messages: read one, call the session

    def _query(self, buffer: bytes, start: int, stop: int) -> Work | None:
        return self._logged_in().query(codec.read_string(buffer, start, stop))

    def _parse(self, buffer: bytes, start: int, stop: int) -> Work | None:
        return self._logged_in().parse(*codec.read_parse(buffer, start, stop))

    def _bind(self, buffer: bytes, start: int, stop: int) -> Work | None:
        return self.session.bind(*codec.read_bind(buffer, start, stop))  # type: ignore[union-attr]  # hot

    def _describe(self, buffer: bytes, start: int, stop: int) -> Work | None:
        is_statement, name = codec.read_target(buffer, start, stop, "DESCRIBE")
        session = self.session
        if is_statement:
            return session.describe_statement(name)  # type: ignore[union-attr]  # hot
        return session.describe_portal(name)  # type: ignore[union-attr]  # hot

    def _execute(self, buffer: bytes, start: int, stop: int) -> Work | None:
        return self.session.execute(*codec.read_execute(buffer, start, stop))  # type: ignore[union-attr]  # hot

    def _close(self, buffer: bytes, start: int, stop: int) -> None:
        is_statement, name = codec.read_target(buffer, start, stop, "CLOSE")
        if is_statement:
            self._logged_in().close_statement(name)
        else:
            self._logged_in().close_portal(name)

    def _sync(self, buffer: bytes, start: int, stop: int) -> Work | None:
        if start != stop:
            _check_empty(start, stop)
        return self.session.sync()  # type: ignore[union-attr]  # hot

    def _flush(self, buffer: bytes, start: int, stop: int) -> None:
        _check_empty(start, stop)
        self._due = len(self.out)

    def _terminate(self, buffer: bytes, start: int, stop: int) -> None:
        self.closing = True

    def _function_call(self, buffer: bytes, start: int, stop: int) -> None:
        raise PgError("0A000", "function call protocol not supported")

    def _copy_data(self, buffer: bytes, start: int, stop: int) -> Work | None:
        return self._logged_in().copy_data(buffer[start:stop])

    def _copy_done(self, buffer: bytes, start: int, stop: int) -> Work | None:
        return self._logged_in().copy_done()

    def _copy_fail(self, buffer: bytes, start: int, stop: int) -> Work | None:
        return self._logged_in().copy_fail(codec.read_string(buffer, start, stop))

    def _ignore(self, buffer: bytes, start: int, stop: int) -> None:
        pass


Call = Callable[[Connection, bytes, int, int], Work | None]
Step = Callable[[Connection], None]
Entry = tuple[Call, Step | None, Step | None]
Mode = dict[int, Entry]

_IGNORED: Entry = (Connection._ignore, None, None)
_SYNC: Entry = (Connection._sync, Connection._ready, Connection._ready)
_TERMINATE: Entry = (Connection._terminate, None, None)

_READY: Mode = {
    ord("B"): (Connection._bind, None, Connection._skip),
    ord("D"): (Connection._describe, None, Connection._skip),
    ord("E"): (Connection._execute, Connection._after_execute, Connection._skip),
    ord("S"): _SYNC,
    ord("P"): (Connection._parse, None, Connection._skip),
    ord("Q"): (Connection._query, Connection._after_query, Connection._ready),
    ord("C"): (Connection._close, None, Connection._skip),
    ord("H"): (Connection._flush, None, Connection._skip),
    ord("F"): (Connection._function_call, Connection._ready, Connection._ready),
    ord("X"): _TERMINATE,
    # What a client had sent of a COPY that has failed meanwhile.
    ord("d"): _IGNORED,
    ord("c"): _IGNORED,
    ord("f"): _IGNORED,
}
_SKIP = {**dict.fromkeys(_READY, _IGNORED), ord("S"): _SYNC, ord("X"): _TERMINATE}
_COPY_SIMPLE: Mode = {
    ord("d"): (Connection._copy_data, None, Connection._ready),
    ord("c"): (Connection._copy_done, Connection._after_query, Connection._ready),
    ord("f"): (Connection._copy_fail, Connection._after_query, Connection._ready),
    ord("H"): _IGNORED,
    ord("S"): _IGNORED,
    ord("X"): _TERMINATE,
}
_COPY_EXTENDED: Mode = {
    ord("d"): (Connection._copy_data, None, Connection._skip),
    ord("c"): (Connection._copy_done, Connection._after_copy, Connection._skip),
    ord("f"): (Connection._copy_fail, Connection._after_copy, Connection._skip),
    ord("H"): _IGNORED,
    ord("S"): _IGNORED,
    ord("X"): _TERMINATE,
}


def _check_empty(start: int, stop: int) -> None:
    if start != stop:
        raise codec.violation("invalid message format")


def _exceeds(out: list[bytes], limit: int) -> bool:
    return sum(map(len, out)) > limit
