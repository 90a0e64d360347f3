"""Golden scripts: plain texts of several sessions, with the answers recorded below each block.

    a> BEGIN                       a statement of session a, sent as one Query message; a:bob logs in as bob
    a> COPY t FROM STDIN           lines that are indented belong to the statement above,
      1,x                          or are what COPY reads
    a> \\wait                       CALL sys.wait_for_job of the session's last job
    a> \\close                      end the connection; the next use opens a new one
    ----
    a> BEGIN                       tags, rows, notices and errors, recorded by `pytest tests/golden --rewrite`

`# server: strict` among the first lines asks for a server without rebasing.
"""

import difflib
import re
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from tests.server import Answer, Server, Wire, empty

HERE = Path(__file__).parent
SCRIPTS = sorted((HERE / "scripts").glob("*.test"))
JOB_ID = re.compile(r"\b[a-z2-7]{26}\b")
AGE = re.compile(r"DETAIL Current transaction age [0-9]+s")
INJECTION = re.compile(r"DETAIL Injection [0-9]+")
WINNER = re.compile(r"DETAIL Transaction [0-9a-f]{32}, which committed at [^,]+,")
STATEMENT = re.compile(r"(\w+(?::\w+)?)> (.*)")


class Sessions:
    """The connections of one script, opened on first use."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.wires: dict[str, Wire] = {}
        self.jobs: dict[str, str] = {}

    def say(self, name: str, text: str, copy: str) -> list[str]:
        """Run one line of a script; the lines that it is answered with."""
        if text == "\\close":
            self.wires.pop(name).close()
            return []
        if name not in self.wires:
            try:
                user = name.partition(":")[2] or "admin"
                self.wires[name] = Wire(make_conninfo(self.dsn, user=user))
            except RuntimeError as error:
                return [f"{name}> {str(error).partition(' failed: ')[2].strip()}"]
        wire = self.wires[name]
        if text == "\\wait":
            text = f"CALL sys.wait_for_job('{self.jobs[name]}')"
        answers = wire.simple(text, copy.encode())
        if text.startswith("CALL opendsql.inject("):
            for answer in answers:
                answer.rows[:] = [[b"<id>"] for _row in answer.rows]
        for answer in answers:
            if answer.columns == ["job_id"] and answer.rows and answer.rows[0][0]:
                self.jobs[name] = answer.rows[0][0].decode()
        lines = [f"{severity} {sqlstate} {message}" for severity, sqlstate, message in wire.notices]
        wire.notices.clear()
        for answer in answers:
            lines += shown(answer)
        return [f"{name}> {masked(line)}" for line in lines]

    def close(self) -> None:
        for wire in self.wires.values():
            wire.close()


def masked(line: str) -> str:
    """Without what is another one in every run."""
    line = WINNER.sub("DETAIL Transaction <id>, which committed at <time>,", JOB_ID.sub("<job>", line))
    line = AGE.sub("DETAIL Current transaction age <age>", line)
    return INJECTION.sub("DETAIL Injection <id>", line)


def shown(answer: Answer) -> list[str]:
    """An answer's lines: column names, rows, then the tag; or the error."""
    if answer.sqlstate:
        lines = [f"ERROR {answer.sqlstate} {answer.message}"]
        lines += [f"DETAIL {answer.detail}"] if answer.detail else []
        return lines + ([f"HINT {answer.hint}"] if answer.hint else [])
    lines = ["[" + " | ".join(answer.columns) + "]"] if answer.columns else []
    for row in answer.rows:
        lines.append(" | ".join("NULL" if value is None else value.decode().rstrip("\n") for value in row))
    return [*lines, answer.tag] if answer.tag else lines


def run_block(lines: list[str], sessions: Sessions) -> list[str]:
    """Run the statements of a block."""
    seen = []
    place = 0
    while place < len(lines):
        line = lines[place]
        place += 1
        if line.startswith("#"):
            continue
        found = STATEMENT.fullmatch(line)
        assert found is not None, f"not a statement: {line}"
        rest = []
        while place < len(lines) and lines[place].startswith("  "):
            rest.append(lines[place][2:])
            place += 1
        text, copy = found[2], ""
        if re.search(r"\bfrom stdin\b", text, re.IGNORECASE):
            copy = "".join(each.replace("\\t", "\t") + "\n" for each in rest)
        else:
            text = "\n".join([text, *rest])
        seen += sessions.say(found[1], text, copy)
    return seen


def run_script(text: str, dsn: str) -> str:
    """The script with the answers that it got."""
    sessions = Sessions(dsn)
    out = []
    try:
        for block in re.split(r"\n{2,}", text.strip("\n")):
            asked, _, _answered = block.partition("\n----")
            lines = asked.splitlines()
            if all(line.startswith("#") for line in lines):
                out.append(asked)
                continue
            out.append("\n".join([*lines, "----", *run_block(lines, sessions)]))
    finally:
        sessions.close()
    return "\n\n".join(out) + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path, request: pytest.FixtureRequest) -> None:
    text = path.read_text()
    strict = "# server: strict\n" in text
    server: Server = request.getfixturevalue("strict_server" if strict else "shared_server")
    empty(server.dsn)
    try:
        seen = run_script(text, server.dsn)
    finally:
        empty(server.dsn)
    compare(path, text, seen, rewrite=request.config.getoption("--rewrite"))


def compare(path: Path, text: str, seen: str, *, rewrite: bool) -> None:
    """What is recorded in `path` with what was seen; or record that."""
    if rewrite:
        path.write_text(seen)
    elif seen != text:
        names = (f"{path.name} as recorded", "as seen")
        pytest.fail(
            "\n".join(difflib.unified_diff(text.splitlines(), seen.splitlines(), *names, lineterm=""))
        )
