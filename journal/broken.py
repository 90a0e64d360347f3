"""The one exception that stops a node: an invariant of ours does not hold (DESIGN §2, kinds of errors)."""


class Broken(BaseException):
    """A broken invariant in adjudicator, journal or storage: nobody may be answered any more."""


def require(condition: object, invariant: str) -> None:
    """Raise `Broken` with the invariant's name unless `condition` is true; unlike assert, `-O` keeps it."""
    if not condition:
        raise Broken(invariant)
