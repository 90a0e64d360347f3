"""Random expressions with ranges and multiranges, right and wrong ones, for both servers."""

import random

ELEMENTS = {
    "int4": ["-2147483648", "-4", "0", "1", "2", "3", "5", "8", "2147483646", "2147483647"],
    "int8": ["-9223372036854775808", "-4", "0", "1", "2", "3", "5", "4294967296", "9223372036854775807"],
    "numeric": ["-Infinity", "-4", "0", "1", "1.0", "1.00", "2.5", "3", "5", "1e30", "Infinity", "NaN"],
    "date": [
        "-infinity", "4713-11-24 BC", "2023-12-31", "2024-01-01", "2024-01-02", "2024-01-05", "2024-02-29",
        "5874897-12-31", "infinity",
    ],
    "timestamp": [
        "-infinity", "2024-01-01 00:00:00", "2024-01-01 12:00:00", "2024-01-02", "2024-01-03 01:02:03.5",
        "294276-12-31 23:59:59.999999", "infinity",
    ],
    "timestamptz": [
        "-infinity", "2024-01-01 00:00:00+00", "2024-01-01 12:00:00+02", "2024-01-02", "2024-03-31 02:30:00+01",
        "infinity",
    ],
}  # fmt: skip
"""In their order."""
RANGES = {
    "int4": ("int4range", "int4multirange"), "int8": ("int8range", "int8multirange"),
    "numeric": ("numrange", "nummultirange"), "date": ("daterange", "datemultirange"),
    "timestamp": ("tsrange", "tsmultirange"), "timestamptz": ("tstzrange", "tstzmultirange"),
}  # fmt: skip
OPERATORS = ["=", "<>", "<", "<=", ">", ">=", "@>", "<@", "&&", "<<", ">>", "&<", "&>", "-|-", "+", "*", "-"]
FUNCTIONS = [
    "lower", "upper", "isempty", "lower_inc", "upper_inc", "lower_inf", "upper_inf", "range_merge", "multirange",
    "unnest", "to_json", "quote_literal", "range_cmp", "multirange_cmp", "array_length", "to_jsonb",
]  # fmt: skip
SPOILS = ["", "x", "[", ")", ",", '"', "\\", "  ", "{", "}", "empty", "EMPTY ", "'", "]("]


class Generator:
    """Statements from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def element(self, of: str) -> str:
        """A value's text."""
        return self.random.choice(ELEMENTS[of])

    def bound(self, of: str) -> str:
        """A bound's text in a range: quoted, padded, or nothing."""
        text = self.element(of)
        match self.random.randrange(8):
            case 0:
                return ""
            case 1:
                return f'"{text}"'
            case 2:
                return f" {text} "
            case 3:
                return "".join("\\" + char if self.random.random() < 0.2 else char for char in text)
        return f'"{text}"' if " " in text else text

    def range_text(self, of: str) -> str:
        """What a range's input reads, or not."""
        pick = self.random
        if pick.random() < 0.08:
            return pick.choice(["empty", " Empty ", "empty x", "emptyx"])
        if pick.random() < 0.85:
            lower, upper = (f'"{text}"' if pick.random() < 0.9 else "" for text in self.pair(of))
            return self.spoiled(f"{pick.choice('[(')}{lower},{upper}{pick.choice('])')}")
        return self.spoiled(f"{pick.choice('[(')}{self.bound(of)},{self.bound(of)}{pick.choice('])')}")

    def pair(self, of: str) -> tuple[str, str]:
        """The texts of two values, not the greater one first."""
        first, last = sorted(self.random.choices(range(len(ELEMENTS[of])), k=2))
        return ELEMENTS[of][first], ELEMENTS[of][last]

    def spoiled(self, text: str) -> str:
        """Now and then with something in it that should not be there."""
        if self.random.random() < 0.03:
            place = self.random.randint(0, len(text))
            text = text[:place] + self.random.choice(SPOILS) + text[place + self.random.randint(0, 1) :]
        return text

    def multirange_text(self, of: str) -> str:
        """What a multirange's input reads, or not."""
        pieces = [self.range_text(of) for _ in range(self.random.choice([0, 1, 1, 2, 3, 5]))]
        between = self.random.choice([",", ", ", " , "])
        return self.spoiled("{" + between.join(pieces) + "}")

    def literal(self, text: str, kind: str) -> str:
        """A literal of a type."""
        return "'" + text.replace("'", "''") + f"'::{kind}"

    def ranged(self, of: str) -> str:
        """An expression of a range type."""
        kind = RANGES[of][0]
        match self.random.randrange(12):
            case 0:
                lower, upper = (
                    "NULL" if self.random.random() < 0.2 else f"'{self.element(of)}'" for _ in range(2)
                )
                flags = self.random.choice(
                    ["", "", ", '[]'", ", '()'", ", '(]'", ", '[)'", ", ']['", ", NULL"]
                )
                return f"{kind}({lower}, {upper}{flags})"
            case 1 | 2 | 3 | 4:
                first, last = self.pair(of)
                return f"{kind}('{first}', '{last}', '{self.random.choice(['[]', '[)', '(]', '()'])}')"
        return self.literal(self.range_text(of), kind)

    def multiranged(self, of: str) -> str:
        """An expression of a multirange type."""
        kind = RANGES[of][1]
        match self.random.randrange(5):
            case 0:
                ranges = [self.ranged(of) for _ in range(self.random.randint(0, 3))]
                return f"{kind}({', '.join(ranges)})"
            case 1:
                return f"{self.ranged(of)}::{kind}"
            case 2:
                ranges = [self.ranged(of) for _ in range(self.random.randint(1, 2))]
                return f"{kind}(VARIADIC ARRAY[{', '.join(ranges)}])"
        return self.literal(self.multirange_text(of), kind)

    def operand(self, of: str) -> str:
        """An expression of any type that an operator may be asked about."""
        match self.random.randrange(10):
            case 0 | 1 | 2 | 3:
                return self.ranged(of)
            case 4 | 5 | 6:
                return self.multiranged(of)
            case 7 | 8:
                return self.literal(self.element(of), of)
        return self.random.choice([f"'{self.range_text(of)}'".replace("\\", ""), "NULL", "1", "2.5", "'{}'"])

    def operation(self) -> str:
        """A binary operation, mostly on one type."""
        of = self.random.choice(list(ELEMENTS))
        other = of if self.random.random() < 0.95 else self.random.choice(list(ELEMENTS))
        return f"SELECT {self.operand(of)} {self.random.choice(OPERATORS)} {self.operand(other)}"

    def call(self) -> str:
        """A function's call."""
        of = self.random.choice(list(ELEMENTS))
        args = [self.operand(of) for _ in range(self.random.choice([1, 1, 1, 2]))]
        return f"SELECT {self.random.choice(FUNCTIONS)}({', '.join(args)})"

    def value(self) -> str:
        """Text in, text out; arrays and casts."""
        of = self.random.choice(list(ELEMENTS))
        kind, several = RANGES[of]
        match self.random.randrange(7):
            case 0:
                return f"SELECT {self.ranged(of)}, {self.ranged(of)}::text"
            case 1:
                return f"SELECT {self.multiranged(of)}, {self.multiranged(of)}::text"
            case 2:
                return f"SELECT ARRAY[{self.ranged(of)}, NULL], ARRAY[{self.multiranged(of)}]"
            case 3:
                range_ = self.ranged(of)
                return (
                    f"SELECT row({range_}, {self.multiranged(of)}), {range_} IN ({self.ranged(of)}, {range_})"
                )
            case 4:
                other = self.random.choice(list(RANGES.values()))[self.random.randrange(2)]
                return f"SELECT CAST({self.operand(of)} AS {other})"
            case 5:
                text = self.multirange_text(of).replace("'", "")
                return f"SELECT {several}('{text}'), {kind}('{self.range_text(of)}')".replace("\\", "")
        return f"SELECT array_agg(r) FROM unnest({self.multiranged(of)}) r"

    def rows(self) -> str:
        """Many of them: aggregates, grouping, order, windows."""
        of = self.random.choice(list(ELEMENTS))
        make = self.random.choice([self.ranged, self.multiranged])
        kind = RANGES[of][make == self.multiranged]
        values = ", ".join(
            f"({number}, {'NULL' if self.random.random() < 0.15 else make(of)}::{kind})"
            for number in range(self.random.choice([1, 3, 6, 9]))
        )
        source = f"(VALUES {values}) v(n, r)"
        return self.random.choice(
            [
                f"SELECT range_agg(r), range_intersect_agg(r), count(r), count(DISTINCT r) FROM {source}",
                f"SELECT range_agg(r) FILTER (WHERE n > 3), array_agg(r ORDER BY r, n) FROM {source}",
                f"SELECT DISTINCT isempty(r), lower(r) IS NULL FROM {source}",
                f"SELECT min(n), count(*), r FROM {source} GROUP BY r ORDER BY r DESC",
                f"SELECT n, r FROM {source} ORDER BY r, n",
                f"SELECT n, rank() OVER (ORDER BY r), range_agg(r) OVER (ORDER BY n ROWS 1 PRECEDING) FROM {source}"
                " ORDER BY n",
                f"SELECT a.n, b.n FROM {source} JOIN (VALUES {values}) b(n, r) ON v.r = b.r".replace(
                    "a.n", "v.n"
                ),
                f"SELECT v.n, b.n FROM {source}, (VALUES {values}) b(n, r) WHERE v.r && b.r",
                f"SELECT r FROM {source} UNION SELECT r FROM {source} ORDER BY 1",
                f"SELECT min(r), max(r) FROM {source}",
            ]
        )

    def statement(self) -> str:
        """One of them all."""
        kinds = [self.operation, self.operation, self.operation, self.call, self.value, self.rows]
        return self.random.choice(kinds)()
