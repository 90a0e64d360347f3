"""Random texts and values of the types of networks, right and wrong: the same seed makes the same."""

import random
from collections.abc import Sequence

from server.sql.env import Env
from server.sql.type_network import network_of
from server.sql.types import BY_NAME

TYPES = ("inet", "cidr", "macaddr", "macaddr8")
INT4 = (-2, -1, 0, 1, 8, 16, 24, 31, 32, 33, 64, 127, 128, 129)
INT8 = (0, 1, -1, 255, 256, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, -(1 << 63), 1 - (1 << 63))


class Networks:
    """Makes texts that are near to what PostgreSQL accepts."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def text_of(self, name: str) -> str:
        """A text that the type may refuse."""
        return self.mac_text() if name.startswith("mac") else self.text()

    def value_of(self, name: str) -> str:
        """A text that the type accepts."""
        if name == "int4":
            return str(self.random.choice((*INT4, self.random.randint(-3, 140))))
        if name == "int8":
            return str(self.random.choice((*INT8, self.random.randint(-(1 << 33), 1 << 33))))
        if name.startswith("mac"):
            octets = self._octets_of_mac(6 if name == "macaddr" or self.random.random() < 0.3 else 8)
            return (
                octets[:10] + "fffe" + octets[14:]
                if self.random.random() < 0.3 and len(octets) == 16
                else octets
            )
        return self._network(self.value()) if name == "cidr" else self.value()

    def arguments(self, names: Sequence[str]) -> tuple[str, ...]:
        """Texts that the types accept; two networks often share bits."""
        if len(names) == 2 and names[0] == names[1] == "inet" and self.random.random() < 0.7:
            first = self.value()
            return first, self.near(first)
        return tuple(map(self.value_of, names))

    def _network(self, text: str) -> str:
        value = BY_NAME["inet"].input(text, -1, Env())
        return BY_NAME["cidr"].output(network_of(value, value.bits), Env())

    def address(self, version: int) -> str:
        """An address, often with zeros and ones in rows."""
        draw = self.random
        pick = draw.random()
        if version == 4:
            octets = [
                draw.choice((0, 0, 1, 10, 127, 128, 192, 224, 240, 255, draw.randrange(256)))
                for _ in range(4)
            ]
            return ".".join(map(str, octets))
        words = [draw.choice((0, 0, 0, 1, 0xFFFF, draw.randrange(1 << 16))) for _ in range(8)]
        if pick < 0.2:
            words[:6] = [0, 0, 0, 0, 0, draw.choice((0, 0xFFFF))]
        return ":".join(f"{word:x}" for word in words)

    def value(self) -> str:
        """A text that inet accepts."""
        version = self.random.choice((4, 4, 6, 6))
        return self.address(version) + self._width(version)

    def _width(self, version: int) -> str:
        bits = 32 if version == 4 else 128
        near = self.random.choice(
            (0, 1, 7, 8, 9, 15, 16, 17, 24, 31, 32, 64, 96, 112, 120, 121, bits - 1, bits)
        )
        chosen = self.random.choice((near, near, self.random.randint(0, bits)))
        return "" if self.random.random() < 0.25 else f"/{min(chosen, bits)}"

    def near(self, text: str) -> str:
        """An address that may share a network with that of `text`."""
        address, _, width = text.partition("/")
        version = 6 if ":" in address else 4
        if version == 4 and self.random.random() < 0.7:
            octets = address.split(".")
            octets[self.random.randrange(4)] = str(self.random.choice((0, 1, 128, 255)))
            address = ".".join(octets)
        elif version == 6 and self.random.random() < 0.7:
            address = address[: -len(address.rpartition(":")[2])] + f"{self.random.choice((0, 1, 0x8000)):x}"
        return address + self.random.choice((self._width(version), f"/{width}" if width else ""))

    def text(self) -> str:
        """A text that may be wrong."""
        made = self.random.choice((self._words, self._octets, self._nibbles, self._noise, self.value))()
        if self.random.random() < 0.3:
            made = self._damaged(made)
        return made

    def _words(self) -> str:
        count = self.random.choice((1, 2, 3, 5, 6, 7, 8, 8, 9))
        parts = [
            self.random.choice(("", "0", "1", "ffff", "00a", "0001", "FFfF", "12345", ""))
            for _ in range(count)
        ]
        if self.random.random() < 0.6:
            parts = [part or "0" for part in parts]
        made = ":".join(parts)
        if self.random.random() < 0.5:
            place = self.random.randrange(len(made) + 1)
            made = made[:place] + "::" + made[place:]
        if self.random.random() < 0.3:
            made = made.rpartition(":")[0] + ":" + self._octets()
        return made + self._any_width()

    def _octets(self) -> str:
        count = self.random.choice((1, 2, 3, 4, 4, 4, 5))
        pool = (
            "0",
            "1",
            "10",
            "01",
            "007",
            "127",
            "128",
            "192",
            "224",
            "225",
            "240",
            "255",
            "256",
            "0000300",
            "",
        )
        made = ".".join(self.random.choice(pool) for _ in range(count))
        return made + self.random.choice(("", "", "", ".")) + self._any_width()

    def _nibbles(self) -> str:
        digits = "".join(
            self.random.choice("0123456789abcdefABCDEF") for _ in range(self.random.randrange(11))
        )
        return self.random.choice(("0x", "0X")) + digits + self._any_width()

    def _any_width(self) -> str:
        pool = ("", "", "", "/0", "/8", "/08", "/16", "/24", "/31", "/32", "/33", "/64", "/127", "/128", "/129", "/",
                "/4294967295", "/4294967304", "/2147483648", "/99999999999999999999999999999999999999999999", "/-1",
                "/+8", "/ 8", "/8x", "/8/8", f"/{self.random.randrange(140)}")  # fmt: skip
        return self.random.choice(pool)

    def _noise(self) -> str:
        return "".join(self.random.choice("0123:./afx ") for _ in range(self.random.randrange(12)))

    def _damaged(self, text: str) -> str:
        place = self.random.randrange(len(text) + 1)
        extra = self.random.choice((" ", ".", ":", "/", "0", "f", "g", "é", "٣", "-", "%eth0", ""))
        return text[:place] + extra + text[place + self.random.randrange(2) :]

    # --- hardware addresses

    def _octets_of_mac(self, count: int) -> str:
        return "".join(
            f"{self.random.choice((0, 255, self.random.randrange(256))):02x}" for _ in range(count)
        )

    def mac_text(self) -> str:
        """A hardware address that may be wrong."""
        draw = self.random
        count = draw.choice((6, 6, 6, 6, 8, 8, 7, 5, 3))
        separator = draw.choice(":-.")
        if draw.random() < 0.5:
            made = separator.join(self._number(draw.choice((0.0, 0.2, 1.0))) for _ in range(count))
        else:
            digits = "".join(self._number(0.03) for _ in range(count)).upper()
            step = draw.choice((2, 4, 6, 8, 12))
            made = separator.join(digits[at : at + step] for at in range(0, len(digits), step))
        if draw.random() < 0.3:
            made = self._damaged(made)
        if draw.random() < 0.2:
            made = draw.choice((" ", "\t", "x", "")) + made + draw.choice((" ", " x", "0", ":", "\v", " \n"))
        return made

    def _number(self, odd: float) -> str:
        """Two digits, or with a probability of `odd` what C's scanf may or may not read."""
        if self.random.random() >= odd:
            return f"{self.random.randrange(256):02x}"
        pool = ("0", "a", "F", "100", "ff", " 1", "\t2", "-1", "+1", "0x1", "0X", "x", "-", "", "00000000000000001",
                "100000001", "ffffffffffffffffff", "-ffffffff", "1 ", " ", "+0xa", "g", "é", "0xg")  # fmt: skip
        return self.random.choice(pool)
