"""The OpenSSF model signature of a model, so that tools that know nothing of Falaj can check its files.

It is given for interoperation and never believed here: admission rests on the evidence chain alone. The standard asks
for an elliptic-curve key, so that it has a key of its own.

Source: OpenSSF Model Signing 1.0 (https://github.com/ossf/model-signing-spec), Sigstore bundle 0.3.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from falaj.supply_chain.attestations.canonical import canonical
from falaj.supply_chain.attestations.envelope import pae
from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.keys import create_once
from falaj.supply_chain.attestations.statement import PAYLOAD_TYPE, STATEMENT_TYPE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

MODEL_SIGNATURE = "https://model_signing/signature/v1.0"
KEY_FILE = "model-signing.pem"
_BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def sign_model(name: str, blobs: Mapping[str, str], key: Path) -> dict[str, Any]:
    """Sign the files of a model.

    Args:
        name: Name of the model.
        blobs: `sha256:` digest of each file's bytes by its path in the model.
        key: P-256 private key in PEM; made the first time, with its public half beside it.

    Returns:
        A Sigstore bundle, JSON-able: the content of `model.sig`.

    Raises:
        EvidenceError: `evidence.key`, when the file is no P-256 key or others may read it.
    """
    private = _load_or_create(key)
    payload = canonical(_statement(name, blobs))
    signature = private.sign(pae(PAYLOAD_TYPE, payload), ec.ECDSA(hashes.SHA256()))
    hint = hashlib.sha256(_public_pem(private)).hexdigest()
    return {
        "mediaType": _BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }


def _statement(name: str, blobs: Mapping[str, str]) -> dict[str, Any]:
    digests = {path: blobs[path].removeprefix("sha256:") for path in sorted(blobs, key=PurePosixPath)}
    root = hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in digests.values())).hexdigest()
    resources = [{"name": path, "algorithm": "sha256", "digest": digest} for path, digest in digests.items()]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": root}}],
        "predicateType": MODEL_SIGNATURE,
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": resources,
        },
    }


def _load_or_create(path: Path) -> EllipticCurvePrivateKey:
    data = create_once(path, lambda: _private_pem(ec.generate_private_key(ec.SECP256R1())))
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise EvidenceError("this file holds no private key", where=str(path), code="evidence.key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise EvidenceError("this private key is not P-256", where=str(path), code="evidence.key")
    public = path.with_name(f"{path.name}.pub")
    if not public.exists():
        public.write_bytes(_public_pem(key))
    return key


def _private_pem(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_pem(key: EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
