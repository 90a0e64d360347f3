"""What foreign keys ask of a transaction: events, and the checks and actions that follow (ri_triggers.c).

A row that is written leaves an event for each foreign key that it touches. At the statement's end they are worked off
in their order; an action (CASCADE, SET NULL, SET DEFAULT) writes rows, which leave events in turn, until there are
none. Checks of deferred constraints wait for COMMIT instead; actions never wait.

A child's check locks the parent's row FOR KEY SHARE: nobody waits, the commit is adjudicated (dsql-reference §5.2).
So a child inserted here and its parent deleted elsewhere conflict at COMMIT in either order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from journal.broken import require
from journal.record import LockClass
from server.catalog.descriptor import Catalog, Oid, Table
from server.errors import PgError
from server.sql import telling
from server.sql.access import Row
from server.sql.context import Context
from server.sql.foreign_keys import Found, Link, link_of
from server.sql.row_writer import key_text

if TYPE_CHECKING:
    from server.sql.foreign_writer import ReferringWriter

KEY_SHARE = int(LockClass.KEY_SHARE)
Writers = Callable[[Oid, Context], "ReferringWriter"]
"""The writer of a table that an action changes."""
Deferred = dict[tuple[Oid, bool, bytes], None]
"""(foreign key, whether its parent changed, the child's row key or the parent's old row), in their order."""
_ALL: Oid = 0


class Event(NamedTuple):
    """A row of one side has changed."""

    link: Link
    key: bytes
    """The child's row; of a parent empty."""
    old: Row | None = None
    """The parent's row as it was."""
    new: Row | None = None
    """And as it is; None: it is deleted."""


class Checks:
    """The events of one transaction."""

    __slots__ = ("_make_writer", "_writers", "deferred", "modes", "queue")

    def __init__(self, make_writer: Writers) -> None:
        self._make_writer = make_writer
        self._writers: dict[Oid, ReferringWriter] = {}
        self.queue: list[Event] = []
        """Those of the statement at hand."""
        self.deferred: Deferred = {}
        self.modes: dict[Oid, bool] = {}
        """What SET CONSTRAINTS has said: whether a foreign key is deferred, under 0 for all of them."""

    # --- events ---

    def child_written(self, links: Sequence[Link], key: bytes, row: Row) -> None:
        """A row that refers was inserted."""
        for link in links:
            if link.refers(row):
                self.queue.append(Event(link, key))

    def child_updated(self, links: Sequence[Link], keys: tuple[bytes, bytes], old: Row, new: Row) -> None:
        """A row that refers was updated; one that has another key now is another row for what was deferred."""
        moved = keys[0] != keys[1]
        for link in links:
            changed = any(old[place] != new[place] for place in link.places)
            if (changed or (moved and link.key.deferrable)) and link.refers(new):
                self.queue.append(Event(link, keys[1]))

    def parent_changed(self, links: Sequence[Link], old: Row, new: Row | None) -> None:
        """A row that others may refer to was updated, or deleted (`new` None)."""
        for link in links:
            offered = link.offered(old)
            if offered is not None and (new is None or link.offered(new) != offered):
                self.queue.append(Event(link, b"", old, new))

    # --- the end of a statement, and COMMIT ---

    def settle(self, ctx: Context) -> Iterator[list[Any]]:
        """Check and act at a statement's end; empty batches are heartbeats. Raises PgError 23503."""
        while self.queue:
            ctx.txn.end_statement()
            events, self.queue = self.queue, []
            yield from self._round(ctx, [event for event in events if not self._wait(ctx, event)])

    def settle_deferred(
        self, ctx: Context, chosen: Callable[[Oid], bool] | None = None
    ) -> Iterator[list[Any]]:
        """Check what was deferred: all of it at COMMIT, or foreign keys that are `chosen`. Raises PgError 23503."""
        due = [each for each in self.deferred if chosen is None or chosen(each[0])]
        links = {oid: _find(ctx.txn.catalog, oid) for oid in {each[0] for each in due}}
        for each in due:
            del self.deferred[each]
        events = []
        for oid, of_parent, data in due:
            link = links[oid]
            if of_parent:
                events.append(Event(link, b"", link.parent_access.unpack(data)))
            else:
                events.append(Event(link, data))
        ctx.txn.end_statement()
        yield from self._round(ctx, events)

    def is_deferred(self, link: Link) -> bool:
        """Whether the foreign key's checks wait for COMMIT."""
        key = link.key
        return key.deferrable and self.modes.get(key.oid, self.modes.get(_ALL, key.deferred))

    def set_mode(self, keys: Sequence[Oid], deferred: bool) -> None:
        """SET CONSTRAINTS; no keys: ALL."""
        if not keys:
            self.modes.clear()
        for oid in keys or (_ALL,):
            self.modes[oid] = deferred

    def _wait(self, ctx: Context, event: Event) -> bool:
        """Whether the event is a check that waits for COMMIT."""
        link = event.link
        if not self.is_deferred(link) or (event.old is not None and _action(event) != "no action"):
            return False
        data = event.key if event.old is None else link.parent_access.pack(event.old)
        self.deferred[link.key.oid, event.old is not None, data] = None
        if len(self.deferred) > 16 * ctx.txn.limits.transaction_rows:
            raise PgError("54000", "transaction row limit exceeded")
        return True

    # --- one round of events ---

    def _round(self, ctx: Context, events: Sequence[Event]) -> Iterator[list[Any]]:
        _expect_parents(ctx, events)
        scanned = yield from _scanned(ctx, events)
        parents: dict[bytes, bytes] = {}
        for number, event in enumerate(events, 1):
            if event.old is None:
                _check_child(ctx, event, parents)
            else:
                parents.clear()
                yield from self._parent(ctx, event, scanned)
            if number % 256 == 0:
                ctx.tick()
                yield []

    def _parent(self, ctx: Context, event: Event, scanned: Scanned) -> Iterator[list[Any]]:
        action = _action(event)
        if action in ("no action", "restrict"):
            yield from _refuse_children(ctx, event, scanned, action == "restrict")
            return
        written = False
        for child in _children(ctx, event, scanned):
            if child is None:
                ctx.tick()
                yield []
            else:
                self._act(ctx, event, child, action)
                written = True
        if written:
            ctx.txn.end_statement()
            if (
                action == "set default"
            ):  # children whose default is the key that is gone were left as they are
                yield from _refuse_children(ctx, event, scanned, False)

    def _act(self, ctx: Context, event: Event, child: Found, action: str) -> None:
        link = event.link
        key, old = child
        writer = self._writer(ctx, link.child.oid)
        if action == "cascade" and event.new is None:
            writer.delete(ctx, key, old)
            return
        new, places = list(old), link.places
        if event.new is None and link.key.set_columns:
            places = tuple(attnum - 1 for attnum in link.key.set_columns)
        values: Sequence[Any] = (None,) * len(places)
        if action == "cascade":
            assert event.new is not None
            values = link.assigned(event.new, ctx, ctx.txn.catalog)
        elif action == "set default":
            values = writer.defaults(ctx, places)
        for place, value in zip(places, values):
            new[place] = value
        writer.update(ctx, key, old, new, places)

    def _writer(self, ctx: Context, table: Oid) -> ReferringWriter:
        found = self._writers.get(table)
        if found is None:
            found = self._writers[table] = self._make_writer(table, ctx)
        return found


def _action(event: Event) -> str:
    return event.link.key.on_delete if event.new is None else event.link.key.on_update


# --- children of a parent that is gone ---

Scanned = dict[Oid, dict[bytes, list[Found]]]
"""By foreign key without an index: the children of each key that is gone."""


def _scanned(ctx: Context, events: Sequence[Event]) -> Generator[list[Any], None, Scanned]:
    """Children of the parents that changed, by one scan for each foreign key that no index helps."""
    links: dict[Oid, Link] = {}
    found: Scanned = {}
    for event in events:
        link = event.link
        if event.old is not None and not link.is_indexed:
            key = link.offered(event.old)
            assert key is not None
            links[link.key.oid] = link
            found.setdefault(link.key.oid, {})[key] = []
    most = ctx.txn.limits.transaction_rows + 1
    for oid, link in links.items():
        of_keys, count = found[oid], 0
        for each in link.all_children(ctx):
            if each is None:
                ctx.tick()
                yield []
                continue
            key, child = each
            if key in of_keys:
                of_keys[key].append(child)
                count += 1
                if count > most:  # more than an action may write, and enough for a check
                    break
    return found


def _children(ctx: Context, event: Event, scanned: Scanned) -> Iterator[Found | None]:
    """Rows that refer to the parent as it was; None between batches."""
    link, old = event.link, event.old
    assert old is not None
    if link.is_indexed:
        yield from link.children(ctx, old)
        return
    key = link.offered(old)
    assert key is not None
    for row_key, _row in scanned[link.key.oid][key]:
        raw = ctx.txn.current(row_key)  # an action may have changed it since
        row = None if raw is None else link.child_access.unpack(raw)
        if row is not None and link.refers_to(row, key, ctx):
            yield row_key, row


def _refuse_children(ctx: Context, event: Event, scanned: Scanned, strict: bool) -> Iterator[list[Any]]:
    """PgError 23503 for a child of the old key; not `strict`: unless another parent has that key by now."""
    link, old = event.link, event.old
    assert old is not None
    key = link.offered(old)
    if not strict and key is not None and link.parent_of(ctx, key) is not None:
        return
    for child in _children(ctx, event, scanned):
        if child is not None:
            raise _still_referenced(ctx, link, old)
        ctx.tick()
        yield []


# --- a child's parent ---


def _check_child(ctx: Context, event: Event, parents: dict[bytes, bytes]) -> None:
    """The parent of a child that was written is locked. PgError 23503 when there is none.

    `parents`: rows by their keys that were there for the children before.
    """
    link = event.link
    raw = ctx.txn.current(event.key)
    if raw is None:
        return
    row = link.child_access.unpack(raw)
    if not link.is_whole(row):
        if link.refers(row):
            raise _violated(ctx, link, "MATCH FULL does not allow mixing of null and nonnull key values.")
        return
    wanted = link.wanted(row, ctx)
    if wanted in parents:
        return
    parent = link.parent_of(ctx, wanted)
    if parent is None:
        key = _shown(ctx, link.child, link.key.columns, row)
        raise _violated(ctx, link, f'{key} is not present in table "{link.parent.name}".')
    parents[wanted] = parent
    ctx.txn.lock(parent, KEY_SHARE)


def _expect_parents(ctx: Context, events: Sequence[Event]) -> None:
    """Where rows are in other processes, the parents are asked for at once."""
    if not ctx.txn.is_remote:
        return
    keys: dict[bytes, None] = {}
    for event in events:
        link = event.link
        raw = ctx.txn.current(event.key) if event.old is None else None
        if raw is not None:
            row = link.child_access.unpack(raw)
            if link.is_whole(row):
                keys[link.wanted(row, ctx)] = None
    ctx.txn.expect(list(keys))


# --- errors ---


def _violated(ctx: Context, link: Link, detail: str) -> PgError:
    return PgError(
        "23503",
        f'insert or update on table "{link.child.name}" violates foreign key constraint "{link.key.name}"',
        detail=detail,
        fields=_fields(ctx, link),
    )


def _still_referenced(ctx: Context, link: Link, parent: Row) -> PgError:
    key = _shown(ctx, link.parent, link.key.parent_columns, parent)
    return PgError(
        "23503",
        f'update or delete on table "{link.parent.name}" violates foreign key constraint "{link.key.name}" '
        f'on table "{link.child.name}"',
        detail=f'{key} is still referenced from table "{link.child.name}".',
        fields=_fields(ctx, link),
    )


def _fields(ctx: Context, link: Link) -> dict[str, str]:
    """A link outlives a change of its schema's name."""
    return {"s": ctx.txn.catalog.schema_of(link.child), "t": link.child.name, "n": link.key.name}


def _shown(ctx: Context, table: Table, attnums: Sequence[int], row: Row) -> str:
    """`Key (columns)=(values)` of a row; `Key` where the user may not read it."""
    if not telling.may_read(ctx, table, attnums):
        return "Key"
    columns = [table.columns[attnum - 1] for attnum in attnums]
    return f"Key {key_text(columns, [row[attnum - 1] for attnum in attnums], ctx.env)}"


def _find(catalog: Catalog, oid: Oid) -> Link:
    """A foreign key that the transaction has met."""
    for table in catalog.tables.values():
        for key in table.foreign_keys:
            if key.oid == oid:
                return link_of(table, key, catalog)
    require(False, f"foreign key {oid}: a transaction keeps its catalog")
    raise AssertionError
