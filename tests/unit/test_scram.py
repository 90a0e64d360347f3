"""SCRAM-SHA-256 against the RFC's example, and messages that are not SCRAM."""

import base64

import pytest

from server.errors import PgError
from server.pgwire.scram import Exchange, make_verifier, mock_verifier, parse_verifier

RFC_SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
RFC_FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"


def exchange(binding: bytes | None = None, plus_offered: bool = False) -> Exchange:
    verifier = parse_verifier(make_verifier("pencil", RFC_SALT))
    assert verifier is not None
    return Exchange(verifier, b"nonce", binding, plus_offered)


def test_the_example_of_rfc_7677() -> None:
    server = exchange()
    server._nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"  # the RFC's is not base64
    nonce = b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    assert server.first(RFC_FIRST) == b"r=" + nonce + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    final = b"c=biws,r=" + nonce + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert server.final(final) == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_stored_form_is_postgres() -> None:
    stored = make_verifier("pencil", RFC_SALT)
    assert stored.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    for broken in (
        "",
        "x",
        stored[:-4],
        stored.replace("256", "1"),
        stored.replace("4096", "0"),
        stored + "$",
    ):
        assert parse_verifier(broken) is None


def test_saslprep() -> None:
    def same(a: str, b: str) -> bool:
        return make_verifier(a, RFC_SALT) == make_verifier(b, RFC_SALT)

    assert same("I\u00adX", "IX")
    assert same("\u00aa", "a")
    assert same("\u2168", "IX")
    assert same("a\u00a0b", "a b")
    assert not same("\u0007a\u00ad", "\u0007a")
    assert not same("\u0627\u00ad1", "\u06271")


def test_a_mock_is_the_same_each_time_and_differs_by_user() -> None:
    assert mock_verifier("a", b"s") == mock_verifier("a", b"s")
    assert mock_verifier("a", b"s").salt != mock_verifier("b", b"s").salt
    assert mock_verifier("a", b"s").salt != mock_verifier("a", b"t").salt


@pytest.mark.parametrize(
    ("first", "sqlstate"),
    [
        (b"", "08P01"),
        (b"n,,", "08P01"),
        (b"n,,m=x,n=,r=abc", "08P01"),
        (b"n,,n=,r=", "08P01"),
        (b"n,a=x,n=,r=abc", "0A000"),
        (b"p=tls-unique,,n=,r=abc", "08P01"),
        (b"n,,n=\xff,r=abc", "08P01"),
    ],
)
def test_a_bad_first_message(first: bytes, sqlstate: str) -> None:
    with pytest.raises(PgError) as caught:
        exchange().first(first)
    assert (caught.value.sqlstate, caught.value.severity) == (sqlstate, "FATAL")


@pytest.mark.parametrize(
    "final",
    [
        b"",
        b"c=biws,p=AAAA",
        b"c=eSws,r=abcbm9uY2U=,p=" + b"A" * 43 + b"=",
        b"c=biws,r=abcd,p=" + b"A" * 43 + b"=",
        b"c=biws,r=abcbm9uY2U=,p=AAAA",
        b"c=biws,r=abcbm9uY2U=,p=%%%",
    ],
)
def test_a_bad_final_message(final: bytes) -> None:
    server = exchange()
    server.first(b"n,,n=,r=abc")
    with pytest.raises(PgError) as caught:
        server.final(final)
    assert caught.value.severity == "FATAL"


def test_a_downgrade_of_channel_binding_is_noticed() -> None:
    assert exchange().first(b"y,,n=,r=abc")
    with pytest.raises(PgError, match="channel binding negotiation"):
        exchange(plus_offered=True).first(b"y,,n=,r=abc")


def test_another_certificate_is_noticed() -> None:
    server = exchange(binding=b"c" * 32, plus_offered=True)
    server.first(b"p=tls-server-end-point,,n=,r=abc")
    bound = base64.b64encode(b"p=tls-server-end-point,," + b"d" * 32)
    with pytest.raises(PgError, match="channel binding check failed"):
        server.final(b"c=" + bound + b",r=abcbm9uY2U=,p=" + b"A" * 43 + b"=")
