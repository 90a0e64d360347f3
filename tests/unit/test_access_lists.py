"""Access lists as they are stored, and rows of the catalog from before there were grant options and memberships."""

import msgspec
import pytest

from journal.record import Write
from server.catalog import acl, privileges, store
from server.catalog.descriptor import Catalog, Column, Membership, Role, Schema, Table
from server.catalog.store import ADMIN_OID
from server.errors import PgError

OWNER, ANN, BOB = 20, 21, 22
EMPTY = Catalog(1, 0, 0, {}, {}, {}, {}, {}, {}, {})


def alone(oid: int) -> acl.Roles:
    return (oid,)


def table(stored: acl.Items, *columns: acl.Items) -> Table:
    made = tuple(Column(f"c{place}", 23, acl=each) for place, each in enumerate(columns))
    return Table(30, 2200, "t", OWNER, made, acl=stored)


def test_no_entries_stand_for_the_owners_default():
    assert privileges.table_items(table(())) == ((OWNER, "arwdDxt", OWNER),)
    assert privileges.schema_items(Schema(40, "s", OWNER)) == ((OWNER, "UC", OWNER),)


def test_entries_of_before_leave_out_the_owners():
    assert privileges.table_items(table(((ANN, "r", OWNER),))) == (
        (OWNER, "arwdDxt", OWNER),
        (ANN, "r", OWNER),
    )


def test_an_owner_without_privileges_stays_without():
    made = acl.Acl(acl.default("table", OWNER), OWNER, alone)
    made.revoke(OWNER, OWNER, acl.ALL["table"], option_only=False, cascade=False)
    stored = acl.to_store(made.items(), OWNER)
    assert stored and acl.items_of(stored, "table", OWNER) == ()


def test_the_public_schema_is_everybodys_to_use():
    public = Schema(store.PUBLIC_OID, "public", ADMIN_OID)
    assert acl.held(privileges.schema_items(public), ()) == "U"


@pytest.mark.parametrize(
    ("items", "shown"),
    [
        (((ANN, "r*w", OWNER),), ["ann=r*w/owner"]),
        (((acl.PUBLIC, "r", OWNER),), ["=r/owner"]),
        (((BOB, "a", ANN),), ['"b ""ob"""=a/ann']),
    ],
)
def test_how_entries_look(items: acl.Items, shown: list[str]):
    names = {OWNER: "owner", ANN: "ann", BOB: 'b "ob"'}
    assert acl.shown(items, lambda oid: acl.quoted(names[oid])) == shown


def passed_on() -> acl.Acl:
    """OWNER to ANN to BOB."""
    made = acl.Acl(acl.default("table", OWNER), OWNER, alone)
    made.grant(ANN, OWNER, "r", option=True)
    made.grant(BOB, ANN, "r", option=True)
    return made


def test_what_rests_on_an_option_goes_with_it():
    with pytest.raises(PgError, match="dependent privileges exist"):
        passed_on().revoke(ANN, OWNER, "r", option_only=True, cascade=False)
    with pytest.raises(PgError, match="back to your own grantor"):
        passed_on().grant(ANN, BOB, "r", option=True)
    made = passed_on()
    made.revoke(ANN, OWNER, "r", option_only=True, cascade=True)
    assert made.items() == ((OWNER, "arwdDxt", OWNER), (ANN, "r", OWNER))


def test_the_new_owner_takes_the_old_ones_place():
    stored = ((OWNER, "arwdDxt", OWNER), (ANN, "r*", OWNER), (BOB, "r", ANN))
    assert acl.renamed_owner(stored, OWNER, ANN) == ((ANN, "ar*wdDxt", ANN), (BOB, "r", ANN))


def test_memberships_of_before_have_the_options_of_then():
    """They were oids; the privileges came with them unless the role was NOINHERIT; admin had granted them."""
    rows = [
        Role(50, "ann", member_of=(52,)),
        Role(51, "bob", inherit=False, member_of=(52,)),
        Role(52, "readers"),
    ]
    writes = [
        Write(store.object_key(1, store.ROLES, role.oid), msgspec.msgpack.encode(role), 3) for role in rows
    ]
    version = Write(store.version_key(1), store.encode_version(60), 3)
    catalog = store.changed(EMPTY, [*writes, version], 7)
    (ann,), (bob,) = (catalog.roles[oid].memberships for oid in (50, 51))
    assert isinstance(ann, Membership)
    assert (ann.role, ann.grantor, ann.admin, ann.inherit, ann.may_set) == (52, ADMIN_OID, False, True, True)
    assert (bob.inherit, bob.may_set) == (False, True)
    assert privileges.roles_of(catalog, 50) == [50, 52]
    assert privileges.roles_of(catalog, 51) == [51]
    assert privileges.roles_of(catalog, 51, "member") == [51, 52]
    again = store.changed(catalog, [Write(writes[0].key, store.encode(catalog.roles[50]), 3), version], 8)
    assert again.roles[50].memberships == (ann,) and again.roles[50].member_of == ()
