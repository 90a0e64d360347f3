"""The data directory's certificates: made once, private, renewed in time, with the names asked for."""

import datetime
from pathlib import Path

import pytest
from cryptography import x509

from server.runtime.tls import names_of, open_directory, subject_name

NOW = datetime.datetime.now(datetime.UTC)


def read(directory: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / name).read_bytes())


def test_made_once(tmp_path: Path) -> None:
    first = open_directory(tmp_path / "tls", [], NOW)
    again = open_directory(tmp_path / "tls", [], NOW)
    assert first.certificate_hash == again.certificate_hash
    files = sorted((tmp_path / "tls").iterdir())
    assert [file.name for file in files] == ["ca.key", "ca.pem", "server.key", "server.pem"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_the_authority_signs_the_server(tmp_path: Path) -> None:
    open_directory(tmp_path, ["db.example", "*.dsql.us-east-1.on.aws", "192.0.2.7"], NOW)
    authority, server = read(tmp_path, "ca.pem"), read(tmp_path, "server.pem")
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = names.get_values_for_type(x509.DNSName)
    assert hosts == ["localhost", "db.example", "*.dsql.us-east-1.on.aws"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1", "192.0.2.7"]


def test_other_names_make_another_certificate_of_the_same_authority(tmp_path: Path) -> None:
    before = open_directory(tmp_path, [], NOW)
    authority = read(tmp_path, "ca.pem")
    assert open_directory(tmp_path, ["db.example"], NOW).certificate_hash != before.certificate_hash
    assert read(tmp_path, "ca.pem") == authority


def test_names_are_written_as_a_certificate_has_them(tmp_path: Path) -> None:
    """So that the same names, however written, do not make another certificate at every start."""
    given = ["DB.Example", "*.dsql.example", "my_app.my_net", "2001:DB8:0::1", "192.0.2.7", "localhost"]
    names = list(map(subject_name, given))
    assert names == ["db.example", "*.dsql.example", "my_app.my_net", "2001:db8::1", "192.0.2.7", "localhost"]
    first = open_directory(tmp_path, names, NOW)
    assert (
        open_directory(tmp_path, list(map(subject_name, reversed(given))), NOW).certificate_hash
        == first.certificate_hash
    )


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "https://a", "a..b", "-a", "*", "a.*.b", "é.example", "x" * 64, "a." * 127]
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="neither a host name nor an address"):
        subject_name(name)


def test_any_address_is_no_name() -> None:
    assert names_of("0.0.0.0", ["a"]) == names_of("::", ["a"]) == ["a"]
    assert names_of("192.0.2.7", ["a"]) == ["192.0.2.7", "a"]


@pytest.mark.parametrize(
    ("days", "server_renewed", "authority_renewed"),
    [
        (366, False, False),
        (368, True, False),
        (3619, True, False),
        (3621, True, True),
    ],
)
def test_renewed_near_expiry(
    tmp_path: Path, days: int, server_renewed: bool, authority_renewed: bool
) -> None:
    open_directory(tmp_path, [], NOW)
    authority, server = read(tmp_path, "ca.pem"), read(tmp_path, "server.pem")
    open_directory(tmp_path, [], NOW + datetime.timedelta(days=days))
    assert (read(tmp_path, "server.pem") != server) == server_renewed
    assert (read(tmp_path, "ca.pem") != authority) == authority_renewed
    read(tmp_path, "server.pem").verify_directly_issued_by(read(tmp_path, "ca.pem"))


@pytest.mark.parametrize("lost", ["ca.key", "ca.pem", "server.key", "server.pem"])
def test_a_lost_file_is_made_again_with_its_partner(tmp_path: Path, lost: str) -> None:
    open_directory(tmp_path, [], NOW)
    (tmp_path / lost).unlink()
    open_directory(tmp_path, [], NOW)
    read(tmp_path, "server.pem").verify_directly_issued_by(read(tmp_path, "ca.pem"))
