"""Backups: what is stored is read back, what is damaged or unfinished is never taken for one."""

import dataclasses
import shutil

import pytest

from journal.encoding import NO_HASH
from journal.snapshot import Head, read_snapshot, write_snapshot
from server.runtime.backup import manifest, storing
from server.runtime.backup.manifest import BackupDamaged
from server.runtime.backup.places import Directory, Missing, PlaceError, open_place

DAY_NS = 24 * 3600 * 10**9
CREATED_NS = 1_700_000_000 * 10**9 + 7
NAME = "20231114T221320.000000007Z"
ITEMS = [(b"key%04d" % number, 10 + number, bytes(700)) for number in range(40)]


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(manifest, "PIECE_BYTES", 4096)


def head(created_ns=CREATED_NS):
    return Head(12, 3, b"h" * 32, 1000, 900, created_ns)


def stored(tmp_path, created_ns=CREATED_NS):
    """A place with one backup."""
    place = Directory(tmp_path / "place")
    snapshot = write_snapshot(tmp_path / "snapshots", head(created_ns), ITEMS)
    return place, storing.write(place, snapshot.path, "1.2.3")


@dataclasses.dataclass
class Ending:
    """A place whose writer dies before object number `left`."""

    place: Directory
    left: int

    def put(self, folder, name, data):
        self.left -= 1
        if self.left < 0:
            raise PlaceError("the wire is cut")
        self.place.put(folder, name, data)


def test_what_is_stored_is_read_back(tmp_path):
    place, written = stored(tmp_path)
    assert (written.name, written.source, written.rows, written.complete) == (NAME, "serve", 40, 1000)
    assert len(written.pieces) > 5
    assert storing.listed(place).whole == [written]
    storing.verify(place, written)
    storing.fetch(place, written, tmp_path / "fetched")
    found, items = read_snapshot(tmp_path / "fetched")
    assert (found, list(items)) == (head(), ITEMS)


def test_files_are_their_owners_alone(tmp_path):
    stored(tmp_path)
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "place" / NAME).iterdir()} == {0}


@pytest.mark.parametrize("left", [0, 3])
def test_without_its_last_object_it_is_no_backup(tmp_path, left):
    place = Directory(tmp_path / "place")
    snapshot = write_snapshot(tmp_path / "snapshots", head(), ITEMS)
    with pytest.raises(PlaceError, match="cut"):
        storing.write(Ending(place, left), snapshot.path, "1")
    assert storing.listed(place).whole == []
    with pytest.raises(PlaceError, match="there is no backup"):
        storing.find(place, None)
    assert storing.listed(place).unfinished == ([NAME] if left else [])


def test_a_flipped_byte_is_found(tmp_path):
    place, written = stored(tmp_path)
    path = tmp_path / "place" / NAME / "00000002"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(BackupDamaged, match="piece 2 is not what was written"):
        storing.verify(place, written)
    with pytest.raises(BackupDamaged, match="piece 2"):
        storing.fetch(place, written, tmp_path / "fetched")


def test_a_missing_piece_is_found(tmp_path):
    place, written = stored(tmp_path)
    (tmp_path / "place" / NAME / "00000001").unlink()
    with pytest.raises(BackupDamaged, match="piece 1 is missing"):
        storing.verify(place, written)


def test_pieces_in_another_order_are_found(tmp_path):
    place, written = stored(tmp_path)
    folder = tmp_path / "place" / NAME
    for before, after in (("00000001", "x"), ("00000002", "00000001"), ("x", "00000002")):
        (folder / before).rename(folder / after)
    pieces = list(written.pieces)
    pieces[1:3] = pieces[2:0:-1]
    (folder / "manifest.json").write_bytes(
        manifest.encode(manifest.msgspec.structs.replace(written, pieces=pieces))
    )
    with pytest.raises(BackupDamaged, match="not in their order"):
        storing.verify(place, storing.find(place, NAME))


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        pytest.param(b'"version": 1', b'"version": 2', "version 2", id="version"),
        pytest.param(NAME.encode(), NAME.encode().replace(b"7Z", b"8Z"), "contradicts", id="name"),
        pytest.param(b'"rows": 40', b'"rows": "x"', "cannot be read", id="type"),
        pytest.param(b'"size": ', b'"size": 1', "contradicts", id="size"),
        pytest.param(b"{", b"", "cannot be read", id="json"),
    ],
)
def test_a_damaged_manifest_is_no_backup_and_hides_none(tmp_path, old, new, text):
    place, _written = stored(tmp_path)
    path = tmp_path / "place" / NAME / "manifest.json"
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    found = storing.listed(place)
    assert found.whole == []
    assert text in found.damaged[0][1]
    for name in (None, NAME):
        with pytest.raises(BackupDamaged, match=text):
            storing.find(place, name)


def test_a_manifest_of_another_snapshot_is_found(tmp_path):
    place, written = stored(tmp_path)
    other = manifest.msgspec.structs.replace(written, rows=41)
    with pytest.raises(BackupDamaged, match="another snapshot"):
        storing.fetch(place, other, tmp_path / "fetched")


def test_a_damaged_snapshot_is_not_stored(tmp_path):
    snapshot = write_snapshot(tmp_path / "snapshots", head(), ITEMS)
    data = bytearray(snapshot.path.read_bytes())
    data[5000] ^= 1
    snapshot.path.write_bytes(data)
    place = Directory(tmp_path / "place")
    with pytest.raises(storing.SnapshotDamaged):
        storing.write(place, snapshot.path, "1")
    assert place.folders() == []


def test_the_newest_is_found_and_others_by_name(tmp_path):
    place, first = stored(tmp_path)
    _place, second = stored(tmp_path, CREATED_NS + 1)
    assert storing.find(place, None) == second
    assert storing.find(place, first.name) == first
    for name in ("20231114T221320.000000009Z", "../x"):
        with pytest.raises(PlaceError, match="no backup"):
            storing.find(place, name)


def test_pruning_keeps_the_newest_and_what_may_still_be_written(tmp_path):
    place = Directory(tmp_path / "place")
    names = [stored(tmp_path, CREATED_NS + number * DAY_NS)[1].name for number in range(4)]
    shutil.copytree(tmp_path / "place" / names[0], tmp_path / "place" / "not a backup")
    for name in (names[1], names[3]):
        (tmp_path / "place" / name / "manifest.json").unlink()
    gone = storing.prune(place, 1, CREATED_NS + 3 * DAY_NS + 1)
    assert sorted(gone) == names[:2]
    assert sorted(place.folders()) == [names[2], names[3], "not a backup"]


def test_removal_ends_with_nothing_that_looks_whole(tmp_path, monkeypatch):
    """Its manifest goes first: what a removal leaves that died on the way is no backup."""
    place, written = stored(tmp_path)
    monkeypatch.setattr(shutil, "rmtree", lambda path: None)
    place.remove(written.name, manifest.MANIFEST)
    assert storing.listed(place).unfinished == [written.name]


def test_names_sort_by_age():
    times = [0, 1, CREATED_NS, CREATED_NS + 1, CREATED_NS + DAY_NS]
    names = [manifest.name_of(time) for time in times]
    assert names == sorted(names)
    assert all(map(manifest.is_name, names))


@pytest.mark.parametrize("text", ["gs://x/y", "s3://", "s3:///x"])
def test_other_places_are_refused(text):
    with pytest.raises(PlaceError, match="is wanted"):
        open_place(text)


def test_an_endpoint_is_for_s3(tmp_path):
    with pytest.raises(PlaceError, match="endpoint"):
        open_place(str(tmp_path), "http://127.0.0.1")


def test_a_directory_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    place = Directory(tmp_path / "file")
    with pytest.raises(PlaceError):
        place.folders()
    with pytest.raises(PlaceError):
        place.put("a", "b", b"")
    with pytest.raises(Missing):
        Directory(tmp_path).get("a", "b", 1)


def test_an_object_beyond_the_limit_is_refused(tmp_path):
    place = Directory(tmp_path)
    place.put("a", "b", bytes(11))
    with pytest.raises(PlaceError, match="larger than 10"):
        place.get("a", "b", 10)


def test_a_snapshot_of_a_region_is_told_from_serves(tmp_path):
    region = [(b"", 1000, b"place"), *ITEMS]
    path = write_snapshot(tmp_path, Head(5, 0, NO_HASH, 1000, 1000, CREATED_NS), region).path
    written = storing.write(Directory(tmp_path / "place"), path, "1")
    assert (written.source, written.rows) == ("region", 40)
