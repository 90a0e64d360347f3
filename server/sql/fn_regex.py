"""Functions and operators of regular expressions and SIMILAR TO (PostgreSQL: regexp.c; chapter 9.7)."""

from collections.abc import Iterator
from functools import lru_cache

from server.errors import PgError
from server.sql.functions import define, sql
from server.sql.regex import Found, Regex, compiled
from server.sql.sizes import MAX_LENGTH, elements_fit, too_long
from server.sql.type_array import Array


def matches(value: str, pattern: str) -> bool:
    """value ~ pattern"""
    return compiled(pattern).matches(value)


def matches_nocase(value: str, pattern: str) -> bool:
    """value ~* pattern"""
    return compiled(pattern, "i").matches(value)


define(
    """
    1254 textregexeq(text,text) bool
    79 nameregexeq(name,text) bool
    """,
    matches,
)
define(
    """
    1256 textregexne(text,text) bool
    1252 nameregexne(name,text) bool
    """,
    lambda value, pattern: not matches(value, pattern),
)
define(
    """
    1238 texticregexeq(text,text) bool
    1240 nameicregexeq(name,text) bool
    """,
    matches_nocase,
)
define(
    """
    1239 texticregexne(text,text) bool
    1241 nameicregexne(name,text) bool
    """,
    lambda value, pattern: not matches_nocase(value, pattern),
)
define("1658 bpcharregexeq(bpchar,text) bool", matches)
define("1659 bpcharregexne(bpchar,text) bool", lambda value, pattern: not matches(value, pattern))
define("1656 bpcharicregexeq(bpchar,text) bool", matches_nocase)
define("1657 bpcharicregexne(bpchar,text) bool", lambda value, pattern: not matches_nocase(value, pattern))


def _options(flags: str, name: str, global_allowed: bool) -> tuple[str, bool]:
    """(option letters, g was there); 22023."""
    for letter in flags:
        if letter not in "bceimnpqstwx" + "g":
            raise PgError("22023", f'invalid regular expression option: "{letter}"')
    if "g" in flags and not global_allowed:
        hint = "Use the regexp_matches function instead." if name == "regexp_match()" else None
        raise PgError("22023", f'{name} does not support the "global" option', hint=hint)
    return flags.replace("g", ""), "g" in flags


def _groups(found: Found) -> Array:
    return Array(found.groups() or [found[0]])


@sql("""
    3396 regexp_match(text,text) _text
    3397 regexp_match(text,text,text) _text
    """)
def regexp_match(value: str, pattern: str, flags: str = "") -> Array | None:
    """The first match's groups."""
    options, _ = _options(flags, "regexp_match()", False)
    found = compiled(pattern, options).search(value)
    return _groups(found) if found else None


@sql("""
    2763 regexp_matches(text,text) _text set
    2764 regexp_matches(text,text,text) _text set
    """)
def regexp_matches(value: str, pattern: str, flags: str = "") -> Iterator[Array]:
    """One row per match with option g."""
    options, every = _options(flags, "regexp_matches()", True)
    found = compiled(pattern, options).finditer(value, sliced=True)
    return (_groups(one) for index, one in enumerate(found) if every or index == 0)


@sql("""
    6263 regexp_like(text,text) bool
    6264 regexp_like(text,text,text) bool
    """)
def regexp_like(value: str, pattern: str, flags: str = "") -> bool:
    """Is there a match?"""
    options, _ = _options(flags, "regexp_like()", False)
    return compiled(pattern, options).matches(value)


def _positive(name: str, value: int) -> None:
    if value <= 0:
        raise PgError("22023", f'invalid value for parameter "{name}": {value}')


def _found(value: str, pattern: str, start: int, options: str) -> Iterator[Found]:
    _positive("start", start)
    return compiled(pattern, options).finditer(value, min(start - 1, len(value)))


@sql("""
    6254 regexp_count(text,text) int4
    6255 regexp_count(text,text,int4) int4
    6256 regexp_count(text,text,int4,text) int4
    """)
def regexp_count(value: str, pattern: str, start: int = 1, flags: str = "") -> int:
    """The number of matches from `start` on."""
    _positive("start", start)
    options, _ = _options(flags, "regexp_count()", False)
    compiled(pattern, options)
    if start > len(value) + 1:
        return 0
    return sum(1 for _ in _found(value, pattern, start, options))


@sql("""
    6257 regexp_instr(text,text) int4
    6258 regexp_instr(text,text,int4) int4
    6259 regexp_instr(text,text,int4,int4) int4
    6260 regexp_instr(text,text,int4,int4,int4) int4
    6261 regexp_instr(text,text,int4,int4,int4,text) int4
    6262 regexp_instr(text,text,int4,int4,int4,text,int4) int4
    """)
def regexp_instr(
    value: str, pattern: str, start: int = 1, nth: int = 1, end: int = 0, flags: str = "", group: int = 0
) -> int:
    """Where the nth match (or its group) begins, or ends with `end` 1; 0: nowhere."""
    found = _nth(value, pattern, start, nth, "regexp_instr()", flags, end, group)
    if found is None:
        return 0
    place = found.end(group) if end else found.start(group)
    return place + 1


def _nth(
    value: str, pattern: str, start: int, nth: int, name: str, flags: str, end: int, group: int
) -> Found | None:
    _positive("start", start)
    _positive("n", nth)
    if end not in (0, 1):
        raise PgError("22023", f'invalid value for parameter "endoption": {end}')
    if group < 0:
        raise PgError("22023", f'invalid value for parameter "subexpr": {group}')
    options, _ = _options(flags, name, False)
    matcher = compiled(pattern, options)
    if group > matcher.groups or start > len(value) + 1:
        return None
    for index, found in enumerate(_found(value, pattern, start, options)):
        if index == nth - 1:
            return found if found.start(group) >= 0 else None
    return None


@sql("""
    6265 regexp_substr(text,text) text
    6266 regexp_substr(text,text,int4) text
    6267 regexp_substr(text,text,int4,int4) text
    6268 regexp_substr(text,text,int4,int4,text) text
    6269 regexp_substr(text,text,int4,int4,text,int4) text
    """)
def regexp_substr(
    value: str, pattern: str, start: int = 1, nth: int = 1, flags: str = "", group: int = 0
) -> str | None:
    """The nth match, or its group."""
    found = _nth(value, pattern, start, nth, "regexp_substr()", flags, 0, group)
    return found[group] if found else None


def _template(text: str) -> list[str | int]:
    """A replacement: literal pieces, and groups (0: the whole match)."""
    made: list[str | int] = []
    at = 0
    while at < len(text):
        char, following = text[at], text[at + 1 : at + 2]
        if char != "\\" or not following:
            made.append(char)
            at += 1
            continue
        if following in "123456789":
            made.append(int(following))
        elif following == "&":
            made.append(0)
        else:
            made.append("\\" if following == "\\" else char + following)
        at += 2
    return made


def _filled(template: list[str | int], found: Found) -> str:
    parts = []
    for piece in template:
        if isinstance(piece, str):
            parts.append(piece)
        elif piece < len(found.spans):
            parts.append(found[piece] or "")
    return "".join(parts)


def _replace(value: str, pattern: str, new: str, start: int, nth: int, options: str) -> str:
    """The nth match replaced, every one for nth 0."""
    template = _template(new)
    regex = compiled(pattern, options)
    fixed = start == 1 and nth in (0, 1) and len(new) * (len(value) + 1) <= MAX_LENGTH
    if fixed and all(isinstance(piece, str) for piece in template):
        simply = regex.replaced(value, "".join(map(str, template)), nth)
        if simply is not None:
            return simply
    made: list[str] = []
    at = size = 0
    for index, found in enumerate(_found(value, pattern, start, options)):
        if nth and index + 1 < nth:
            continue
        filled = _filled(template, found)
        size += len(filled)
        if size > MAX_LENGTH:
            raise too_long()
        made += (value[at : found.start()], filled)
        at = found.end()
        if nth:
            break
    return "".join(made) + value[at:]


@sql("2284 regexp_replace(text,text,text) text")
def regexp_replace(value: str, pattern: str, new: str) -> str:
    """The first match replaced."""
    return _replace(value, pattern, new, 1, 1, "")


@sql("2285 regexp_replace(text,text,text,text) text")
def regexp_replace_flags(value: str, pattern: str, new: str, flags: str) -> str:
    """Every match with option g."""
    if flags[:1].isdigit():
        hint = (
            "If you meant to use regexp_replace() with a start parameter, "
            "cast the fourth argument to integer explicitly."
        )
        raise PgError("22023", f'invalid regular expression option: "{flags[0]}"', hint=hint)
    options, every = _options(flags, "regexp_replace()", True)
    return _replace(value, pattern, new, 1, 0 if every else 1, options)


@sql("""
    6253 regexp_replace(text,text,text,int4) text
    6252 regexp_replace(text,text,text,int4,int4) text
    """)
@sql("6251 regexp_replace(text,text,text,int4,int4,text) text")
def regexp_replace_nth(value: str, pattern: str, new: str, start: int, nth: int = 1, flags: str = "") -> str:
    """The nth match from `start` on; 0: every one."""
    _positive("start", start)
    if nth < 0:
        raise PgError("22023", f'invalid value for parameter "n": {nth}')
    options, _ = _options(flags, "regexp_replace()", True)
    compiled(pattern, options)
    return _replace(value, pattern, new, start, nth, options) if start <= len(value) + 1 else value


def _pieces(value: str, regex: Regex, sliced: bool) -> Iterator[str]:
    """Split at matches; empty matches at either end or just after a match do not count."""
    at = 0
    for found in regex.finditer(value, sliced=sliced):
        if found.end() == found.start() and (found.start() >= len(value) or found.end() <= at):
            continue
        yield value[at : found.start()]
        at = found.end()
    yield value[at:]


@sql("""
    2767 regexp_split_to_array(text,text) _text
    2768 regexp_split_to_array(text,text,text) _text
    """)
def regexp_split_to_array(value: str, pattern: str, flags: str = "") -> Array:
    """Pieces between matches."""
    regex = compiled(pattern, _options(flags, "regexp_split_to_array()", False)[0])
    simply = regex.split(value)
    pieces = simply if simply is not None else list(_pieces(value, regex, False))
    elements_fit(len(pieces))
    return Array(pieces)


@sql("""
    2765 regexp_split_to_table(text,text) text set
    2766 regexp_split_to_table(text,text,text) text set
    """)
def regexp_split_to_table(value: str, pattern: str, flags: str = "") -> Iterator[str]:
    """The same as rows."""
    return _pieces(value, compiled(pattern, _options(flags, "regexp_split_to_table()", False)[0]), True)


@sql("2073 substring(text,text) text")
def substring_regex(value: str, pattern: str) -> str | None:
    """The first group of the first match, or the match."""
    matcher = compiled(pattern)
    found = matcher.search(value)
    return None if found is None else found[1 if matcher.groups else 0]


@sql("2074 substring(text,text,text) text")
def substring_similar(value: str, pattern: str, escape: str) -> str | None:
    """SUBSTRING(value SIMILAR pattern ESCAPE escape)."""
    return substring_regex(value, similar_to_regex(pattern, escape))


@lru_cache(maxsize=512)
def similar_to_regex(pattern: str, escape: str | None) -> str:
    """A SIMILAR TO pattern as a regular expression (similar_escape_internal); 22025, 2201B, 2200C."""
    if escape is not None and len(escape) > 1:
        hint = "Escape string must be empty or one character."
        raise PgError("22025", "invalid escape string", hint=hint)
    return _Similar(pattern, "\\" if escape is None else escape).run()


class _Similar:
    """One translation of a SIMILAR TO pattern."""

    def __init__(self, pattern: str, escape: str) -> None:
        self.pattern = pattern
        self.escape = escape
        self.made = ["^(?:"]
        self.quotes = 0
        self.after_escape = False
        self.in_class = False
        self.class_start = 0

    def run(self) -> str:
        """The whole pattern, anchored."""
        for char in self.pattern:
            if self.after_escape:
                self._escaped(char)
            elif char == self.escape:
                self.after_escape = True
            elif self.in_class:
                self._class_character(char)
            else:
                self._plain(char)
        return "".join(self.made) + ")$"

    def _escaped(self, char: str) -> None:
        if char == '"' and not self.in_class:
            if self.quotes == 0:
                self.made.append("){1,1}?(")
            elif self.quotes == 1:
                self.made.append("){1,1}(?:")
            else:
                message = (
                    "SQL regular expression may not contain more than two escape-double-quote separators"
                )
                raise PgError("2200C", message)
            self.quotes += 1
        else:
            self.made.append("\\" + char)
        self.after_escape = False

    def _class_character(self, char: str) -> None:
        if char == "\\":
            self.made.append("\\")
        self.made.append(char)
        if char == "]":
            self.in_class = False

    def _plain(self, char: str) -> None:
        if char == "[":
            self.made.append(char)
            self.in_class = True
        elif char == "%":
            self.made.append(".*")
        elif char == "_":
            self.made.append(".")
        elif char == "(":
            self.made.append("(?:")
        elif char in "\\.^$":
            self.made.append("\\" + char)
        else:
            self.made.append(char)


define("1987 similar_to_escape(text) text", lambda pattern: similar_to_regex(pattern, None))
define("1986 similar_to_escape(text,text) text", similar_to_regex)


@sql("1623 similar_escape(text,text) text called")
def similar_escape(pattern: str | None, escape: str | None) -> str | None:
    """The older form, which takes a NULL escape for the backslash."""
    return None if pattern is None else similar_to_regex(pattern, escape)
