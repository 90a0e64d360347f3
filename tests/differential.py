"""The same statements for our server and for PostgreSQL, over the wire, and what differs in the answers."""

import re
from collections import Counter
from dataclasses import dataclass, field

from tests.server import Answer, Wire

FIRST_USER_OID = 16384
"""The row types of tables have numbers of their own on each side."""
_TOP_ORDER = re.compile(r"\border\s+by\b", re.IGNORECASE)
_INDEX = re.compile(r"^\s*create\s+(unique\s+)?index\s+async\b", re.IGNORECASE)
_VALIDATION = re.compile(r"^\s*alter\s+table\s+async\b.*\bvalidate\b", re.IGNORECASE)
_READS = re.compile(r"^\s*(select|values|table|with|\()", re.IGNORECASE)
_WRITES = re.compile(r"\b(insert|update|delete)\b", re.IGNORECASE)


@dataclass(slots=True)
class Statement:
    """One statement of a file. `copy` is what COPY FROM STDIN reads; `differs` names what may differ, and why."""

    sql: str
    line: int
    copy: bytes = b""
    differs: set[str] = field(default_factory=set)


def read_statements(text: str) -> list[Statement]:
    """Statements end with a semicolon at a line's end; `-- differs: message` before one loosens the comparison;
    `-- differs: binary` leaves the binary form out.

    The lines after a COPY ... FROM STDIN, up to `\\.`, are its data.
    """
    found = []
    lines = text.splitlines()
    place = 0
    differs: set[str] = set()
    while place < len(lines):
        line = lines[place]
        if not line.strip() or line.startswith("--"):
            if line.startswith("-- differs:"):
                differs = set(line.split(":")[1].split("(")[0].replace(",", " ").split())
            place += 1
            continue
        first = place
        while not lines[place].rstrip().endswith(";"):
            place += 1
        place += 1
        statement = Statement("\n".join(lines[first:place]).rstrip(), first + 1, differs=differs)
        differs = set()
        if re.search(r"\bfrom\s+stdin\b", statement.sql, re.IGNORECASE):
            end = lines.index("\\.", place)
            statement.copy = "".join(each + "\n" for each in lines[place:end]).encode()
            place = end + 1
        found.append(statement)
    return found


def _depth_zero(sql: str) -> str:
    """`sql` without what stands in parentheses and strings."""
    sql = re.sub(r"'(?:[^']|'')*'", "''", sql)
    while True:
        shorter = re.sub(r"\([^()]*\)", " ", sql)
        if shorter == sql:
            return sql
        sql = shorter


def is_ordered(sql: str) -> bool:
    """Whether the statement fixes the order of its rows."""
    return _TOP_ORDER.search(_depth_zero(sql)) is not None


class Pair:
    """Two connections: `ours` and `theirs`."""

    def __init__(self, ours: str, theirs: str) -> None:
        self.ours, self.theirs = Wire(ours), Wire(theirs)

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()

    def compare(self, statement: Statement) -> list[str]:
        """What differs, as lines; empty when nothing does."""
        sql = statement.sql
        is_job = _INDEX.match(sql) or _VALIDATION.match(sql)
        ours = self.ours.simple(sql, statement.copy)
        translated = re.sub(r"\basync\b", "     ", sql, count=1, flags=re.IGNORECASE) if is_job else sql
        theirs = self.theirs.simple(translated, statement.copy)
        if is_job:
            return self._job_done(ours[0], theirs[0], statement)
        if len(ours) != len(theirs):
            return [f"answers: {len(ours)} {len(theirs)}"]
        ordered = is_ordered(sql)
        found = [each for a, b in zip(ours, theirs) for each in differences(a, b, ordered, statement.differs)]
        found += self._notices(statement)
        reads = _READS.match(sql) and not _WRITES.search(sql) and len(ours) == 1
        if not found and reads and "binary" not in statement.differs:
            sql = sql.rstrip("; \n")
            ours_binary, theirs_binary = self.ours.extended(sql, True), self.theirs.extended(sql, True)
            found = differences(ours_binary, theirs_binary, ordered, statement.differs | {"order", "binary"})
        return found

    def _notices(self, statement: Statement) -> list[str]:
        ours, theirs = list(self.ours.notices), list(self.theirs.notices)
        self.ours.notices.clear()
        self.theirs.notices.clear()
        return [f"notices: {ours} {theirs}"] if ours != theirs and "notices" not in statement.differs else []

    def _job_done(self, ours: Answer, theirs: Answer, statement: Statement) -> list[str]:
        """CREATE INDEX ASYNC and ALTER TABLE ASYNC answer with a job: wait for it, then compare whether it failed.

        The details of a validation's job are the message of PostgreSQL's VALIDATE CONSTRAINT.
        """
        if ours.sqlstate or not ours.rows:
            ours.columns, ours.oids = [], []
            return differences(ours, theirs, False, statement.differs)
        job = (ours.rows[0][0] or b"").decode()
        done = self.ours.simple(f"CALL sys.wait_for_job('{job}')")[0].rows == [(b"t",)]
        if done != (not theirs.sqlstate):
            return [f"job done: {done} {theirs.message}"]
        if done or not _VALIDATION.match(statement.sql):
            return []
        details = (
            self.ours.simple(f"SELECT details FROM sys.jobs WHERE job_id = '{job}'")[0].rows[0][0] or b""
        ).decode()
        return [] if details == theirs.message else [f"details: {details} | {theirs.message}"]


def differences(ours: Answer, theirs: Answer, ordered: bool, differs: set[str]) -> list[str]:
    """What differs between two answers."""
    binary = "binary: " if "binary" in differs else ""
    found = []
    for name in ("sqlstate", "message", "detail", "hint", "position", "columns", "oids", "tag"):
        one, other = getattr(ours, name), getattr(theirs, name)
        if name == "oids":
            one, other = ([min(oid, FIRST_USER_OID) for oid in oids] for oids in (one, other))
        if one != other and name not in differs:
            message = ours.message if name == "sqlstate" else ""
            found.append(f"{binary}{name}: {one!r} {message} | {other!r}")
    one_rows, other_rows = ours.rows, theirs.rows
    if not (ordered and "order" not in differs):
        if Counter(one_rows) == Counter(other_rows):
            return found
        one_rows, other_rows = sorted(one_rows, key=str), sorted(other_rows, key=str)
    if one_rows != other_rows and "rows" not in differs:
        mine = [row for row in one_rows if row not in other_rows]
        their = [row for row in other_rows if row not in one_rows]
        found.append(f"{binary}rows: {(mine or one_rows)[:5]} | {(their or other_rows)[:5]}")
    return found
