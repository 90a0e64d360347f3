"""What every text that matches a LIKE pattern begins with (PostgreSQL: like_support.c)."""


def fixed_prefix(pattern: str) -> tuple[str, bool]:
    """The literal beginning of a pattern, and whether that is all of it."""
    found: list[str] = []
    place = 0
    while place < len(pattern):
        char = pattern[place]
        if char in "%_":
            return "".join(found), False
        if char == "\\":
            place += 1
            if place == len(pattern):
                return "".join(found), False
        found.append(pattern[place])
        place += 1
    return "".join(found), True


def after_prefix(prefix: str) -> str | None:
    """The least text above all that begin with `prefix`, in the order of the C locale; None: there is none."""
    while prefix:
        last = ord(prefix[-1])
        prefix = prefix[:-1]
        if last < 0x10FFFF:
            return prefix + chr(0xE000 if last == 0xD7FF else last + 1)
    return None
