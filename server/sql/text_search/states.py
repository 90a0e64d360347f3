"""What the default parser of text search knows, as data (PostgreSQL, chapter 12.5): token types, states and rules.

A state's rules are pairs `test action`, tried in order for the character at hand. Tests: end, ascii (a letter),
alpha (any letter; in the C locale that is every character beyond ASCII too), digit, alnum, other (none of these),
hex, space, url (what RFC 3986 lets stand), any, [xyz] (one of these), and four that look at more than a character:
ignored (inside of script or style), sought (a host is wanted, after which a path comes), host and path (one begins
here). Actions on the character:

    .      take it, stay        >s    take it, go to s
    +s     take it, go to s, and come back to the next rule here if that fails
    <      that failed          -s    take it, go to s, and forget where one would come back to
    @s     go to s without it   *     it succeeded so far: what was remembered goes on from here
    =t     a token of type t ends before it; `=t>s` goes on in s (else in base)

Behind an action: `-` forgets the last place to come back to, `!` all of them; `/tag` looks whether script or style
begins or ends, `/again` lets the token's text be read again, `/start` too, as a token of its own, `/host` with a
host sought.
"""

from typing import NamedTuple

TYPES = (
    ("asciiword", "Word, all ASCII"),
    ("word", "Word, all letters"),
    ("numword", "Word, letters and digits"),
    ("email", "Email address"),
    ("url", "URL"),
    ("host", "Host"),
    ("sfloat", "Scientific notation"),
    ("version", "Version number"),
    ("hword_numpart", "Hyphenated word part, letters and digits"),
    ("hword_part", "Hyphenated word part, all letters"),
    ("hword_asciipart", "Hyphenated word part, all ASCII"),
    ("blank", "Space symbols"),
    ("tag", "XML tag"),
    ("protocol", "Protocol head"),
    ("numhword", "Hyphenated word, letters and digits"),
    ("asciihword", "Hyphenated word, all ASCII"),
    ("hword", "Hyphenated word, all letters"),
    ("url_path", "URL path"),
    ("file", "File or path name"),
    ("float", "Decimal notation"),
    ("int", "Signed integer"),
    ("uint", "Unsigned integer"),
    ("entity", "XML entity"),
)
"""(alias, description) of the token types, which are numbered from 1."""
NUMBER_OF = {alias: number for number, (alias, _) in enumerate(TYPES, 1)}
IGNORED = frozenset(NUMBER_OF[alias] for alias in ("blank", "tag", "protocol", "entity"))
"""Token types that the configuration `simple` gives to no dictionary."""

_RULES = """
base: end . [<] +tag ignored >blank ascii >asciiword alpha >word digit >uint [-] +sign [+] +sign [&] +entity
  [~] +home [/] +file_first [.] +dots_first any >blank
blank: end =blank [<] =blank ignored . [-+&/] =blank other . any =blank

asciiword: end =asciiword ascii . [.] +domain [.] +file_next [-] +host_part [-] +asciihword_first [_] +host_part
  [@] +email [:] +protocol [/] +file_first digit +host digit >numword alpha >word any =asciiword
word: end =word alpha . digit >numword [-] +hword_first any =word
numword: end =numword alnum . [@] +email [/] +file_first [.] +file_next [-] +numhword_first any =numword

uint: end =uint digit . [.] +domain [.] +ufloat_first [eE] +exponent [-_] +host_part [@] +email ascii +host
  alpha >numword [/] +file_first any =uint
sign: end < digit >int- any <
int: end =int digit . [.] +float_first [eE] +exponent any =int
ufloat_first: end < digit -ufloat any <
ufloat: end =float digit . [.] +version_first [eE] +exponent any =float
float_first: end < digit -float any <
float: end =float digit . [.] +version_signed [eE] +exponent any =float
version_signed: end < digit @version_sign/start any <
version_sign: end < digit =blank>uint! any .
version_first: end < digit -version any <
version: end =version digit . [.] +version_first any =version
exponent: end < digit -mantissa [-+] >exponent_signed any <
exponent_signed: end < digit -mantissa any <
mantissa: end =sfloat digit . any =sfloat

entity: end < [#] >entity_number ascii >entity_name [:_] >entity_name any <
entity_name: end < alnum . [:_.-] . [;] >entity_end any <
entity_number: end < [xX] >entity_hex_first digit >entity_decimal any <
entity_hex_first: end < hex >entity_hex any <
entity_decimal: end < digit . [;] >entity_end any <
entity_hex: end < hex . [;] >entity_end any <
entity_end: any =entity-

tag: end < [/] +tag_close [!] +comment_or_type [?] +xml_head ascii +tag_name [:_] +tag_name any <
xml_head: end < [x] >tag_inside any <
tag_close: end < ascii >tag_name any <
tag_name: end < [/] >tag_empty [>] >tag_end/tag space >tag_inside/tag alnum . [:_.-] . any <
tag_empty: end < [>] >tag_end any <
tag_inside: end < [>] >tag_end/tag ['] >tag_single ["] >tag_double ascii . digit . [=_#/:.&?%~-] . space ./tag any <
tag_single: end < [\\] +tag_escaped ['] >tag_inside any .
tag_double: end < [\\] +tag_escaped ["] >tag_inside any .
tag_escaped: end < any *
tag_end: any =tag!
comment_or_type: end < [-] >comment_first [dD] >tag_inside any <
comment_first: end < [-] >comment any <
comment: end < [-] >comment_minus any .
comment_minus: end < [-] >comment_minuses any >comment
comment_minuses: end < [-] . [>] >tag_end any >comment

domain: end < ascii >domain_second digit >host any <
domain_second: end < ascii >domain_name digit +host [-_] +host_part [.] +domain [@] +email any <
domain_name: end =host! ascii . digit +host [:] +port_first [-_] +host_part [.] +domain [@] +email digit <
  sought =host>path_start! [/] +url any =host!
port_first: end < digit >port any <
port: end =host! digit . sought =host>path_start! [/] +url any =host!
host_part: end < digit >host ascii >host any <
host: end < digit . ascii . [@] +email [.] +domain [-_] +host_part any <
email: sought < host =email! any <
url: end < path =url!/host any <
path_first: end < url >path any <
path_start: any >path
path: end =url_path url . any =url_path
protocol: end < [/] >protocol_second any <
protocol_second: end < [/] >protocol_end any <
protocol_end: any =protocol!

file_first: end < ascii >file digit >file [.] >dots [_] >file [~] +home any <
home: end < ascii >file digit >file [_] >file [/] >file_first any <
dots: end < ascii >file digit >file [_] >file [.] >dots_second [/] >file_first any <
dots_first: end < [.] >dots_second [/] >file_first any <
dots_second: end =file- [/] +file_first [/] =file- space =file- any <
file: end =file ascii . digit . [.] +file_next [_-] . [/] +file_first any =file
file_next: end < ascii -file digit -file [_] -file any <

asciihword_first: end < ascii >asciihword alpha >hword digit >hword_digits any <
asciihword: end =asciihword>parts!/again ascii . alpha >hword digit >numhword [-] +asciihword_first
  any =asciihword>parts!/again
hword_first: end < alpha >hword digit >hword_digits any <
hword: end =hword>parts!/again alpha . digit >numhword [-] +hword_first any =hword>parts!/again
numhword_first: end < alpha >numhword digit >hword_digits any <
numhword: end =numhword>parts!/again alnum . [-] +numhword_first any =numhword>parts!/again
hword_digits: end < digit . alpha >numhword any <
parts: end @base ascii >asciipart alpha >part digit +part_digits [-] +parts_minus any @base
parts_minus: end < alnum =blank>parts- any <
part: end =hword_part alpha . digit >numpart any =hword_part>parts
asciipart: end =hword_asciipart ascii . alpha >part digit >numpart any =hword_asciipart>parts
numpart: end =hword_numpart alnum . any =hword_numpart>parts
part_digits: end < digit . alpha -numpart any <
"""

END, BEYOND = 128, 129
"""Columns of the table behind those of the ASCII characters: the text's end, and every other character."""
_DYNAMIC = frozenset(("ignored", "sought", "host", "path"))
_ASCII = frozenset(c for c in range(128) if chr(c).isalpha())
_DIGITS = frozenset(range(48, 58))
_LETTERS = _ASCII | {BEYOND}
_CLASSES = {
    "end": frozenset((END,)),
    "ascii": _ASCII,
    "alpha": _LETTERS,
    "digit": _DIGITS,
    "alnum": _LETTERS | _DIGITS,
    "other": frozenset(range(128)) - _ASCII - _DIGITS,
    "hex": frozenset(map(ord, "0123456789abcdefABCDEF")),
    "space": frozenset(map(ord, " \t\n\v\f\r")),
    "url": frozenset(range(33, 127)) - frozenset(map(ord, '"<>\\^`{|}')),
}
_ALL = frozenset(range(130))


class Rule(NamedTuple):
    """One rule of a state; `place` is its number there."""

    place: int
    test: str
    """A test that looks at more than the character, or nothing."""
    act: str
    """One of `. > + < - @ * =`"""
    target: int
    """The state to go to; -1: the same."""
    token: int
    forget: str
    """- the last place to come back to, ! all."""
    special: str


def _rule(place: int, test: str, action: str, numbers: dict[str, int]) -> Rule:
    action, _, special = action.partition("/")
    act, rest = action[0], action[1:]
    forget = rest[-1] if rest and rest[-1] in "-!" else ""
    rest = rest.removesuffix(forget)
    token = 0
    if act == "=":
        alias, _, rest = rest.partition(">")
        token, rest = NUMBER_OF[alias], rest or "base"
    if act == "-":
        act, forget = ">", "-"
    return Rule(
        place, test if test in _DYNAMIC else "", act, numbers[rest] if rest else -1, token, forget, special
    )


def _load() -> tuple[dict[str, int], list[list[tuple[Rule, ...]]]]:
    """The states' numbers, and per state and column the rules that may hold there, in order."""
    named = [line.partition(": ")[::2] for line in _RULES.strip().replace("\n  ", " ").splitlines() if line]
    numbers = {name: number for number, (name, _) in enumerate(named)}
    table = []
    for _, text in named:
        words = text.split()
        columns: list[list[Rule]] = [[] for _ in range(130)]
        for place, (test, action) in enumerate(zip(words[::2], words[1::2], strict=True)):
            made = _rule(place, test, action, numbers)
            chars = frozenset(map(ord, test[1:-1].replace("\\\\", "\\"))) if test[0] == "[" else _ALL
            for column in _CLASSES.get(test, chars):
                columns[column].append(made)
        table.append([tuple(rules) for rules in columns])
    return numbers, table


STATES, TABLE = _load()
