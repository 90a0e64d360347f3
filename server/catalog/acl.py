"""Access control lists: what GRANT and REVOKE make of them (PostgreSQL, chapter 5.7 and utils/adt/acl.c).

An entry says which privileges a grantee holds, for which of them it may grant them on, and who granted that. It is
stored as (grantee, letters, grantor), with a star behind each letter that may be granted on. No entries at all stand
for the object's default: its owner holds everything. Otherwise one of the entries is the owner's, with no letters if
the owner was left with nothing; rows of before there were grant options may lack it, and the owner then holds all.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from itertools import pairwise
from typing import Any, TypeAlias

from server.errors import PgError

Oid: TypeAlias = int
Item: TypeAlias = tuple[Oid, str, Oid]
Items: TypeAlias = tuple[Item, ...]
Roles: TypeAlias = Container[Oid]
RolesOf: TypeAlias = Callable[[Oid], Roles]
"""A role to all the roles whose privileges it has."""

PUBLIC = 0
"""The grantee oid of PUBLIC."""
ORDER = "arwdDxtXUCTc"
"""Letters in the order of PostgreSQL's bits, which is the order in which they are shown."""
LETTERS = {
    "INSERT": "a",
    "SELECT": "r",
    "UPDATE": "w",
    "DELETE": "d",
    "TRUNCATE": "D",
    "REFERENCES": "x",
    "TRIGGER": "t",
    "EXECUTE": "X",
    "USAGE": "U",
    "CREATE": "C",
    "TEMPORARY": "T",
    "CONNECT": "c",
}
WORDS = LETTERS | {"TEMP": "T", "SET": "s", "ALTER SYSTEM": "A"}
"""Letters by whatever GRANT may call a privilege."""
NAMES = {letter: name for name, letter in LETTERS.items()}
ALL = {"table": "arwdDxt", "column": "arwx", "sequence": "rwU", "schema": "UC", "function": "X", "type": "U"}
"""What may be granted on an object of the kind."""
_EVERYBODY = {"function": "X", "type": "U"}
"""What PUBLIC holds by default."""


class Every:
    """The roles whose privileges a superuser has."""

    def __contains__(self, oid: object) -> bool:
        return True


EVERY = Every()


def ordered(letters: Iterable[str]) -> str:
    """Letters in the order of `ORDER`, each once."""
    held = set(letters)
    return "".join(letter for letter in ORDER if letter in held)


def without(letters: str, taken: str) -> str:
    """Those letters that are not taken."""
    return "".join(letter for letter in letters if letter not in taken)


def common(letters: str, others: str) -> str:
    """Those letters that both have."""
    return "".join(letter for letter in letters if letter in others)


def grantable(letters: str) -> str:
    """Of the letters of an entry those with a star."""
    return "".join(letter for letter, star in pairwise(letters) if star == "*")


def default(kind: str, owner: Oid) -> Items:
    """The entries of a new object of the kind: PUBLIC's, if it has any, then the owner's."""
    everybody = _EVERYBODY.get(kind)
    return (*(((PUBLIC, everybody, owner),) if everybody else ()), (owner, ALL[kind], owner))


def items_of(stored: Items, kind: str, owner: Oid) -> Items:
    """The entries that an object's stored ones stand for."""
    if not stored:
        return default(kind, owner)
    if all(grantee != owner for grantee, _letters, _grantor in stored):
        stored = ((owner, ALL[kind], owner), *stored)
    return tuple(item for item in stored if item[1])


def to_store(items: Items, owner: Oid) -> Items:
    """The entries as they are stored: with one of the owner."""
    if any(grantee == owner for grantee, _letters, _grantor in items):
        return items
    return (*items, (owner, "", owner))


def held(items: Items, roles: Roles) -> str:
    """The letters that one of the roles holds, or PUBLIC."""
    return ordered(
        letter
        for grantee, letters, _grantor in items
        if grantee == PUBLIC or grantee in roles
        for letter in letters
        if letter != "*"
    )


def options(items: Items, roles: Roles, owner: Oid) -> str:
    """The letters that the roles may grant on; the owner may grant all."""
    if owner in roles:
        return ORDER
    return ordered(
        letter
        for grantee, letters, _grantor in items
        if grantee != PUBLIC and grantee in roles
        for letter in grantable(letters)
    )


def renamed_owner(stored: Items, old: Oid, new: Oid) -> Items:
    """The entries when the object has another owner, who takes the old one's place in all of them."""
    if not stored:
        return stored
    acl = Acl((), new, lambda oid: (oid,))
    for grantee, letters, grantor in stored:
        places = (new if grantee == old else grantee, new if grantor == old else grantor)
        acl.put(*places, without(letters, "*"), grantable(letters))
    return to_store(acl.items(), new)


def merged(items: Items, more: Items, owner: Oid) -> Items:
    """Both lists in one."""
    acl = Acl(items, owner, lambda oid: (oid,))
    for grantee, letters, grantor in more:
        acl.put(grantee, grantor, without(letters, "*"), grantable(letters))
    return acl.items()


def in_order(items: Items) -> Items:
    """Sorted, as default privileges are kept: by grantee, then grantor."""
    return tuple(sorted(items, key=lambda item: (item[0], item[2])))


def dependent_privileges() -> PgError:
    """What RESTRICT says where something was granted on."""
    return PgError("2BP01", "dependent privileges exist", hint="Use CASCADE to revoke them too.")


class Acl:
    """A list while it is changed."""

    def __init__(self, items: Items, owner: Oid, roles_of: RolesOf) -> None:
        self.owner = owner
        self.roles_of = roles_of
        self._entries: dict[tuple[Oid, Oid], tuple[str, str]] = {}
        for grantee, letters, grantor in items:
            self._entries[grantee, grantor] = without(letters, "*"), grantable(letters)

    def items(self) -> Items:
        """The entries, without those that hold nothing."""
        return tuple(
            (grantee, "".join(letter + "*" * (letter in free) for letter in letters), grantor)
            for (grantee, grantor), (letters, free) in self._entries.items()
        )

    def put(self, grantee: Oid, grantor: Oid, letters: str, free: str) -> None:
        """Add privileges, and the option to grant some of them on."""
        there, free_there = self._entries.get((grantee, grantor), ("", ""))
        both = ordered(there + letters + free_there + free)
        if both:
            self._entries[grantee, grantor] = both, ordered(free_there + free)

    def grant(self, grantee: Oid, grantor: Oid, letters: str, *, option: bool) -> None:
        """GRANT; raises PgError 0LP01 for an option that would come back to where it is from."""
        if option:
            self._refuse_circle(grantee, grantor, letters)
        self.put(grantee, grantor, letters, letters if option else "")

    def revoke(self, grantee: Oid, grantor: Oid, letters: str, *, option_only: bool, cascade: bool) -> None:
        """REVOKE, of the privileges or of the option alone; PgError 2BP01 where RESTRICT forbids it."""
        there, free = self._entries.get((grantee, grantor), ("", ""))
        kept = there if option_only else without(there, letters)
        free_kept = without(free, letters)
        if kept:
            self._entries[grantee, grantor] = kept, free_kept
        else:
            self._entries.pop((grantee, grantor), None)
        lost = common(free, letters)
        if lost:
            self._revoke_dependent(grantee, lost, cascade)

    def _revoke_dependent(self, grantor: Oid, lost: str, cascade: bool) -> None:
        """What a role granted on that may not grant it any more (recursive_revoke)."""
        if grantor == self.owner:
            return
        lost = without(lost, options(self.items(), self.roles_of(grantor), self.owner))
        while lost:
            found = next(
                (
                    grantee
                    for (grantee, by), (letters, _free) in self._entries.items()
                    if by == grantor and common(letters, lost)
                ),
                None,
            )
            if found is None:
                return
            if not cascade:
                raise dependent_privileges()
            self.revoke(found, grantor, lost, option_only=False, cascade=cascade)

    def _refuse_circle(self, grantee: Oid, grantor: Oid, letters: str) -> None:
        """An option may not rest on itself (check_circularity)."""
        if grantor == self.owner:
            return
        trial = Acl(self.items(), self.owner, self.roles_of)
        while True:
            found = next(
                ((by, free) for (to, by), (_all, free) in trial._entries.items() if to == grantee and free),
                None,
            )
            if found is None:
                break
            trial.revoke(grantee, found[0], found[1], option_only=True, cascade=True)
        if without(letters, options(trial.items(), self.roles_of(grantor), self.owner)):
            raise PgError("0LP01", "grant options cannot be granted back to your own grantor")


def best_grantor(roles: Iterable[Oid], wanted: str, items: Items, owner: Oid) -> tuple[Oid, str]:
    """Of a role and those whose privileges it has, itself first, the one that may grant most of the letters: it is
    the grantor (select_best_grantor). And what it may grant of them."""
    best: tuple[Oid, str] | None = None
    for role in roles:
        free = common(wanted, options(items, (role,), owner))
        if free == wanted:
            return role, free
        if best is None or len(free) > len(best[1]):
            best = role, free
    assert best is not None
    return best


def quoted(name: str) -> str:
    """A role's name in an entry: quoted unless it consists of letters, digits and underscores."""
    if all(char == "_" or (char.isascii() and char.isalnum()) for char in name):
        return name
    return '"' + name.replace('"', '""') + '"'


def shown(items: Items, name_of: Callable[[Oid], str]) -> list[Any]:
    """The entries as aclitem shows them."""
    return [
        f"{name_of(grantee) if grantee != PUBLIC else ''}={letters}/{name_of(grantor)}"
        for grantee, letters, grantor in items
    ]
