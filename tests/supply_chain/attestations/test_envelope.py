"""Envelopes against the published vectors of DSSE, and against forgery."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from falaj.supply_chain.attestations import (
    EvidenceError,
    Signer,
    canonical,
    key_id_of,
    sign_statement,
    statement,
    trust,
    verify_envelope,
)
from falaj.supply_chain.attestations.envelope import accepted_keys, decode, pae
from falaj.supply_chain.attestations.statement import PAYLOAD_TYPE

# The two Ed25519 keys of RFC 8032, section 7.1 (TEST 1 and TEST 2), which the DSSE vectors use.
SEEDS = {
    "A": "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "B": "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
}
STATEMENT = "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ=="
BY_A = "2WAfaHm5jluo0w+0rk8uVkluELJYWjSmU9x7EUzx+AyteDGJ4/nqyJXfmAUVFIAoQafWm7AxBZNw5M9ixNHiCA=="
BY_B = "c1+67/aT0yqEpwx8PsVY3MLHsj9D0CZ014/Fv/QlG59P+9CobUZ7xECJ/V3USG0Ob9CiE5LjReEZUzNF2l7eBw=="


def pem(name: str) -> str:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SEEDS[name])).public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, spki).decode()


def envelope(payload: str, payload_type: str, *signatures: tuple[str | None, str]) -> dict[str, object]:
    entries = [{"sig": sig} | ({"keyid": key} if key else {}) for key, sig in signatures]
    return {"payload": payload, "payloadType": payload_type, "signatures": entries}


# Source: secure-systems-lab/dsse, testvectors (id, envelope, keys that must be accepted).
VECTORS = {
    "single-signature": (envelope(STATEMENT, PAYLOAD_TYPE, ("A", BY_A)), {"A"}),
    "url-safe-base64": (
        envelope(
            "-_-_Pj8=",
            PAYLOAD_TYPE,
            ("A", "P-_KHICeR7tI6S_YyejJTRtrXhcQyQ2LYPaL8h90KjC9qN8HU_svOQ6TuDOT1HIrsGW886DbWNWcCmX5twLrAw=="),
        ),
        {"A"},
    ),
    "payload-type-swapped": (envelope(STATEMENT, "application/vnd.example.other+json", ("A", BY_A)), set()),
    "non-ascii-payload-type": (
        envelope(
            STATEMENT,
            "application/vnd.exämple+json",
            ("A", "xmSk/ug66ysT7ayhkCIjhAq42zgZXSsEWuzUaNL7w2eGAdF/NU6/fRXPtmfN+5DNSAs5/i2lUnHjbbjPsu0tAw=="),
        ),
        {"A"},
    ),
    "empty-payload": (
        envelope(
            "",
            PAYLOAD_TYPE,
            ("A", "gSggCAaTLTYyRH6FIDBem6meyIynsYy8RTHVzwx9tnTb7Bg/1jMWnuVgI/gffqmbsC2VX5/jHfkkDqsj7CDbDg=="),
        ),
        {"A"},
    ),
    "threshold-two-distinct-keys": (envelope(STATEMENT, PAYLOAD_TYPE, ("A", BY_A), ("B", BY_B)), {"A", "B"}),
    "threshold-two-one-key-twice": (envelope(STATEMENT, PAYLOAD_TYPE, ("A", BY_A), ("A", BY_A)), {"A"}),
    "threshold-two-without-keyids": (envelope(STATEMENT, PAYLOAD_TYPE, (None, BY_A), (None, BY_B)), {"A", "B"}),
}


@pytest.mark.parametrize("name", VECTORS)
def test_published_vectors(name: str) -> None:
    signed, accepted = VECTORS[name]
    assert accepted_keys(signed, {key: pem(key) for key in SEEDS}) == accepted


def test_published_encodings() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae(PAYLOAD_TYPE, b"") == b"DSSEv1 28 application/vnd.in-toto+json 0 "
    assert pae("application/vnd.exämple+json", b"x").startswith(b"DSSEv1 29 application/vnd.ex\xc3\xa4mple+json 1 x")


def test_a_payload_type_that_we_do_not_read_is_refused_although_signed() -> None:
    for name in ("non-ascii-payload-type", "empty-payload"):
        with pytest.raises(EvidenceError):
            verify_envelope(_under_real_ids(VECTORS[name][0]), trust(pem("A")))


def _under_real_ids(signed: dict[str, object]) -> dict[str, object]:
    signatures = [{"sig": entry["sig"]} for entry in signed["signatures"]]  # type: ignore[attr-defined]
    return signed | {"signatures": signatures}


@given(st.text(max_size=20), st.binary(max_size=40), st.text(max_size=20), st.binary(max_size=40))
def test_no_two_contents_share_an_encoding(kind_a: str, body_a: bytes, kind_b: str, body_b: bytes) -> None:
    assert (pae(kind_a, body_a) == pae(kind_b, body_b)) == ((kind_a, body_a) == (kind_b, body_b))


def test_what_is_signed_is_what_is_read(signer: Signer) -> None:
    sample_statement = statement(
        "https://example.org/x/v1", [("model", "sha256:" + "a" * 64)], {"value": 0.5, "name": "é"}
    )
    assert verify_envelope(sign_statement(sample_statement, signer), trust(signer.public_pem)) == sample_statement


@given(st.data())
def test_no_single_changed_byte_is_believed(data: st.DataObject) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SEEDS["A"]))
    signer = Signer(key_id_of(pem("A")), pem("A"), key.sign)
    signed = sign_statement(statement("https://example.org/x/v1", [("m", "sha256:" + "a" * 64)], {"v": 1}), signer)
    body = bytearray(base64.b64decode(signed["payload"]))
    position = data.draw(st.integers(0, len(body) - 1))
    body[position] ^= data.draw(st.integers(1, 255))
    forged = signed | {"payload": base64.b64encode(bytes(body)).decode()}
    with pytest.raises(EvidenceError) as caught:
        verify_envelope(forged, trust(pem("A")))
    assert caught.value.code == "evidence.signature"


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        {},
        {"payload": "e30=", "payloadType": "x"},
        {"payload": 1, "payloadType": "x", "signatures": []},
        {"payload": "e30=", "payloadType": "x", "signatures": []},
        {"payload": "e30=", "payloadType": "x", "signatures": [{}]},
        {"payload": "e30=", "payloadType": "x", "signatures": [{"sig": 1}]},
        {"payload": "e30=", "payloadType": "x", "signatures": [{"sig": "e30=", "keyid": None}]},
        {"payload": "e30=", "payloadType": "x", "signatures": [{"sig": "e30="}] * 17},
        {"payload": "e31=", "payloadType": "x", "signatures": [{"sig": "e30="}]},
        {"payload": "e30", "payloadType": "x", "signatures": [{"sig": "e30="}]},
        {"payload": "e30=\n", "payloadType": "x", "signatures": [{"sig": "e30="}]},
        {"payload": "é", "payloadType": "x", "signatures": [{"sig": "e30="}]},
        {"payload": "e30=", "payloadType": "\ud800", "signatures": [{"sig": "e30="}]},
    ],
)
def test_what_is_no_envelope_is_called_malformed(broken: object) -> None:
    with pytest.raises(EvidenceError) as caught:
        verify_envelope(broken, trust(pem("A")))
    assert caught.value.code == "evidence.malformed"


def test_a_key_id_decides_nothing(signer: Signer) -> None:
    sample_statement = statement("https://example.org/x/v1", [("model", "sha256:" + "a" * 64)], {})
    named_after_a = replace(signer, key_id=key_id_of(pem("A")))
    with pytest.raises(EvidenceError) as caught:
        verify_envelope(sign_statement(sample_statement, named_after_a), trust(pem("A")) | trust(signer.public_pem))
    assert caught.value.code == "evidence.signature"


def test_a_payload_that_is_no_statement(signer: Signer) -> None:
    for body in (b"{}", b"[]", b'{"_type":"https://in-toto.io/Statement/v1"}', b"not json"):
        signed = {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(body).decode(),
            "signatures": [{"sig": base64.b64encode(signer.sign(pae(PAYLOAD_TYPE, body))).decode()}],
        }
        assert decode(signed)[1] == body
        with pytest.raises(EvidenceError) as caught:
            verify_envelope(signed, trust(signer.public_pem))
        assert caught.value.code == "evidence.malformed"


def test_a_statement_that_was_signed_as_something_else_is_refused(signer: Signer) -> None:
    sample_statement = statement("https://example.org/x/v1", [("model", "sha256:" + "a" * 64)], {})
    for kind, code in ((PAYLOAD_TYPE, ""), ("application/vnd.example.other+json", "evidence.malformed")):
        body = canonical(sample_statement.as_dict())
        sig = base64.b64encode(signer.sign(pae(kind, body))).decode()
        signed = {"payloadType": kind, "payload": base64.b64encode(body).decode(), "signatures": [{"sig": sig}]}
        if not code:
            assert verify_envelope(signed, trust(signer.public_pem)) == sample_statement
            continue
        with pytest.raises(EvidenceError) as caught:
            verify_envelope(signed, trust(signer.public_pem))
        assert caught.value.code == code
