"""Root keys that never leave where they are: SoftHSM by PKCS#11, and KMS as moto's server speaks it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from falaj.supply_chain.encryption import KeyEncryptionKey, KeyScope, Keystore, RootKeyError, open_root
from falaj.supply_chain.encryption.file_root import FileRoot
from falaj.supply_chain.encryption.pkcs11_root import TokenRoot
from tests.servers import free_ports

pytestmark = pytest.mark.integration

TOOLS = Path(__file__).parents[3] / ".tools" / "softhsm"
PIN = "271828"


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> TokenRoot:
    """An initialised token of SoftHSM that holds the key `root`."""
    module_paths = [*TOOLS.glob("usr/lib/*/softhsm/libsofthsm2.so"), *Path("/usr/lib").glob("**/libsofthsm2.so")]
    if not module_paths:
        pytest.skip("there is no SoftHSM; `make .tools/softhsm` fetches it")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    (folder / "pin").write_text(f"{PIN}\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")  # read once by the module, when it is loaded
    program = shutil.which("softhsm2-util") or str(TOOLS / "usr" / "bin" / "softhsm2-util")
    command = [program, "--module", str(module_paths[0]), "--init-token", "--free", "--label", "falaj", "--pin", PIN]
    subprocess.run([*command, "--so-pin", "314159"], check=True, capture_output=True)
    token_root = TokenRoot(str(module_paths[0]), "falaj", "root", folder / "pin")
    token_root.create()
    return token_root


@pytest.fixture(scope="session")
def kms() -> Iterator[str]:
    """Address of a key in a KMS server on loopback. It is moto's: it speaks the protocol, AWS itself is not asked."""
    boto3 = pytest.importorskip("boto3")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_ports(1)[0], verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "only-for-tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "only-for-tests")
        client: Any = boto3.client("kms", region_name="me-central-1", endpoint_url=f"http://{host}:{port}")
        key = client.create_key()["KeyMetadata"]["KeyId"]
        yield f"awskms:{key}?region=me-central-1&endpoint=http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["token", "kms"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> KeyEncryptionKey:
    fixture_value = request.getfixturevalue(request.param)
    return fixture_value if isinstance(fixture_value, TokenRoot) else open_root(fixture_value, tmp_path, {})


def test_it_wraps_and_unwraps(root: KeyEncryptionKey) -> None:
    wrapped = root.wrap(b"k" * 32, "what for")
    assert b"k" * 32 not in wrapped and root.unwrap(wrapped, "what for") == b"k" * 32
    assert root.wrap(b"k" * 32, "what for") != wrapped


def test_it_unwraps_in_no_other_context_and_nothing_changed(root: KeyEncryptionKey) -> None:
    wrapped = root.wrap(b"k" * 32, "tenant a")
    for changed, context in ((wrapped, "tenant b"), (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), "tenant a")):
        with pytest.raises(RootKeyError) as raised:
            root.unwrap(changed, context)
        assert raised.value.code == "encryption.root-key"


def test_it_carries_an_installation(root: KeyEncryptionKey, tmp_path: Path) -> None:
    path = tmp_path / "data-keys.json"
    key = Keystore(path, root).current(KeyScope())
    assert Keystore(path, root).find(key.id) == key
    assert Keystore(path, root).entries()[0].root == root.name


def test_an_installation_moves_into_it_from_a_file(root: KeyEncryptionKey, tmp_path: Path) -> None:
    path = tmp_path / "data-keys.json"
    before = Keystore(path, FileRoot(tmp_path / "root.key"))
    key = before.current(KeyScope())
    before.change(lambda keys: before.rewrapped(keys, root))
    assert Keystore(path, root).find(key.id) == key


def test_what_is_wrong_with_a_token_is_said(token: TokenRoot, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("000000")
    wrong = [
        TokenRoot(token.module, "falaj", "absent", token.pin_file),
        TokenRoot(token.module, "absent", "root", token.pin_file),
        TokenRoot(token.module, "falaj", "root", tmp_path / "pin"),
        TokenRoot(token.module, "falaj", "root", tmp_path / "no-pin"),
        TokenRoot("/no/module.so", "falaj", "root", token.pin_file),
    ]
    for each in wrong:
        with pytest.raises(RootKeyError, match="the HSM did not do it"):
            each.wrap(b"k" * 32, "c")


def test_what_is_wrong_with_kms_is_said(kms: str, tmp_path: Path) -> None:
    with pytest.raises(RootKeyError, match="KMS did not do it"):
        open_root(kms.replace("awskms:", "awskms:00000000-0000-0000-0000-"), tmp_path, {}).wrap(b"k", "c")


def test_the_key_in_the_token_cannot_be_taken_out(token: TokenRoot) -> None:
    import pkcs11

    with token._key() as (key, _):
        assert key[pkcs11.Attribute.SENSITIVE] and not key[pkcs11.Attribute.EXTRACTABLE]
        with pytest.raises(pkcs11.PKCS11Error):
            _ = key[pkcs11.Attribute.VALUE]
