"""Backups over a real S3 protocol, from the command line to the wire and back."""

import functools
import json
import threading

import botocore.session
import pytest
from click.testing import CliRunner

from journal.snapshot import Head, read_snapshot, write_snapshot
from server.main import cli
from server.runtime.backup import manifest, s3, storing
from server.runtime.backup.manifest import BackupDamaged
from server.runtime.backup.places import Missing, PlaceError, open_place
from tests import s3_server
from tests.nodes import read, run
from tests.s3_server import BUCKET, CREDENTIALS
from tests.serving_process import ServeProcess
from tests.unit.test_founding import _two

pytestmark = pytest.mark.slow

ITEMS = [(b"key%04d" % number, 10 + number, bytes(700)) for number in range(40)]


@pytest.fixture(scope="module", autouse=True)
def models():
    """botocore reads its description of S3 once, and not for every client."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="module")
def url():
    with s3_server.running() as found:
        yield found


@pytest.fixture
def place(url, monkeypatch, request):
    """A prefix of this test's own."""
    monkeypatch.setattr(manifest, "PIECE_BYTES", 4096)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return open_place(f"s3://{BUCKET}/{request.node.name}/", url)


def stored(tmp_path, place, created_ns=1_700_000_000 * 10**9):
    head = Head(12, 3, b"h" * 32, 1000, 900, created_ns)
    return storing.write(place, write_snapshot(tmp_path / "snapshots", head, ITEMS).path, "1")


def test_what_is_stored_is_read_back(tmp_path, place):
    written = stored(tmp_path, place)
    assert storing.listed(place).whole == [written]
    storing.fetch(place, storing.find(place, None), tmp_path / "fetched")
    assert list(read_snapshot(tmp_path / "fetched")[1]) == ITEMS


def test_damage_is_found(tmp_path, place, url, request):
    written = stored(tmp_path, place)
    client, key = s3_server.client(url), f"{request.node.name}/{written.name}/00000002"
    data = bytearray(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    data[0] ^= 1
    client.put_object(Bucket=BUCKET, Key=key, Body=bytes(data))
    with pytest.raises(BackupDamaged, match="piece 2 is not"):
        storing.verify(place, written)
    client.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(BackupDamaged, match="piece 2 is missing"):
        storing.verify(place, written)
    client.delete_object(Bucket=BUCKET, Key=f"{request.node.name}/{written.name}/manifest.json")
    assert (storing.listed(place).whole, storing.listed(place).unfinished) == ([], [written.name])


def test_pruning_removes_every_object(tmp_path, place, url, monkeypatch, request):
    monkeypatch.setattr(s3, "AT_ONCE", 3)
    first, second = stored(tmp_path, place), stored(tmp_path, place, 1_700_000_001 * 10**9)
    assert storing.prune(place, 1, 0) == [first.name]
    found = s3_server.client(url).list_objects_v2(Bucket=BUCKET, Prefix=f"{request.node.name}/")
    assert {each["Key"].split("/")[1] for each in found["Contents"]} == {second.name}


def test_many_backups_are_listed_over_several_pages(place, url, monkeypatch, request):
    monkeypatch.setattr(s3, "AT_ONCE", 3)
    names = [manifest.name_of(number) for number in range(7)]
    client = s3_server.client(url)
    for name in names:
        client.put_object(Bucket=BUCKET, Key=f"{request.node.name}/{name}/x", Body=b"")
    assert sorted(place.folders()) == names


def test_what_is_missing_or_too_large(place, tmp_path):
    with pytest.raises(Missing):
        place.get("a", "b", 10)
    place.put("a", "b", bytes(11))
    with pytest.raises(PlaceError, match="larger than 10"):
        place.get("a", "b", 10)


def test_a_bucket_that_is_not_there(place, url):
    with pytest.raises(PlaceError, match="NoSuchBucket"):
        storing.listed(open_place("s3://elsewhere", url))
    with pytest.raises(PlaceError, match="NoSuchBucket"):
        open_place("s3://elsewhere/x", url).put("a", "b", b"")


def test_without_credentials_it_says_so(place, url, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(PlaceError, match="credentials"):
        storing.listed(open_place(f"s3://{BUCKET}", url))


def test_operators_keep_a_servers_backups_and_begin_anew(url, tmp_path, monkeypatch):
    target = f"s3://{BUCKET}/operators"
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL_S3": url}.items():
        monkeypatch.setenv(name, value)

    def command(*arguments):
        return CliRunner().invoke(cli, [str(each) for each in arguments])

    run(tmp_path / "old", _two)
    with ServeProcess(tmp_path / "old"):
        made = command("backup", "create", target, "--data", tmp_path / "old", "--json")
        assert made.exit_code == 0, made.stderr
        first = json.loads(made.stdout)
    again = command("backup", "create", target, "--data", tmp_path / "old", "--keep", "1")
    assert (again.exit_code, f"{first['name']}: removed" in again.stdout) == (0, True), again.stderr
    (left,) = map(json.loads, command("backup", "list", target, "--json").stdout.splitlines())
    assert left["name"] > first["name"]
    assert left["complete"] >= first["complete"]
    assert command("backup", "verify", target).stdout == f"{left['name']}: whole\n"

    restored = command("restore", target, "--data", tmp_path / "new")
    assert restored.exit_code == 0, restored.stderr
    refused = command("restore", target, "--data", tmp_path / "new")
    assert (refused.exit_code, "is not empty" in refused.stderr) == (1, True)
    assert len(refused.stderr.splitlines()) == 1

    async def reads(node):
        return [read(node, name) for name in "ab"]

    assert run(tmp_path / "new", reads) == [b"3", b"2"]

    key = f"operators/{left['name']}/00000000"
    s3_server.client(url).delete_object(Bucket=BUCKET, Key=key)
    for words in (("backup", "verify", target), ("restore", target, "--data", tmp_path / "other")):
        broken = command(*words)
        assert (broken.exit_code, broken.stderr.count("piece 0 is missing")) == (1, 1)
    assert not list((tmp_path / "other").iterdir())


def test_uploads_hold_one_piece_in_memory(tmp_path, place, monkeypatch):
    """However large the file: what is given to the store is never more than a piece."""
    given = []
    monkeypatch.setattr(
        type(place), "put", lambda self, folder, name, data: given.append((threading.get_ident(), len(data)))
    )
    stored(tmp_path, place)
    assert len(given) > 5
    assert max(size for _thread, size in given[:-1]) == 4096
