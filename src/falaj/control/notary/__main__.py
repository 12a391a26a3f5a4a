"""The process of the notary: `python -m falaj.control.notary`, started by the supervisor beside the worker."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from functools import partial

import msgspec

from falaj.control.notary import requests
from falaj.control.notary.arrays import unpacked
from falaj.control.notary.attestation import Attestation
from falaj.control.notary.channel import VARIABLE, serve
from falaj.control.notary.errors import DoesNotRecomputeError
from falaj.control.notary.service import Office
from falaj.core.errors import FalajError
from falaj.core.home import Home
from falaj.core.sandbox.libc import give_up_new_privileges, hide_memory
from falaj.storage import Database
from falaj.trust.audit import record

logger = logging.getLogger("falaj.control.notary")
_ACTOR = "notary"


def main() -> None:
    """Answer the worker until the supervisor ends."""
    hide_memory()
    give_up_new_privileges()
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    home = Home.from_environment()
    channel = socket.socket(fileno=int(os.environ.pop(VARIABLE)))
    channel.set_inheritable(False)
    office = Office(home, committed=True)
    serve(channel, partial(answered, office))


def answered(office: Office, message: bytes, attached: int | None) -> bytes:
    """The answer to one request, which may be anything."""
    try:
        request: requests.Request = msgspec.msgpack.decode(message, type=requests.Request)
        return msgspec.msgpack.encode(requests.NotaryResponse(_carried_out(office, request, attached)))
    except FalajError as error:
        return _refused(type(error).__name__, error.code, error.message, error.where, error.hint)
    except msgspec.ValidationError as error:
        return _refused("UsageError", "notary.malformed", f"this is not a request: {error}")
    except Exception as error:  # a defect of ours, or of what was sent: it must end this request alone
        logger.exception("a request failed")
        return _refused("UnavailableError", "notary.failed", f"{type(error).__name__}: {error}")


def _carried_out(office: Office, request: requests.Request, attached: int | None) -> msgspec.Raw:
    value: object
    match request:
        case requests.FindKey(key):
            value = office.find_key(key)
        case requests.CurrentKey(scope):
            value = office.current_key(scope)
        case requests.ListKeys():
            value = office.chest.entries()
        case requests.LearnKeys(keys):
            value = None
            office.chest.learn(keys)
        case requests.PublicFiles():
            value = office.public_files()
        case requests.SignModel(model, digest):
            value = office.sign_model(model, digest)
        case requests.SignOwner(message):
            value = office.sign_owner(message)
        case requests.Attest(claims):
            value = _attested(office, claims, attached)
    return msgspec.Raw(msgspec.msgpack.encode(value))


def _attested(office: Office, claims: msgspec.Raw, attached: int | None) -> object:
    attestation = msgspec.msgpack.decode(claims, type=Attestation)
    try:
        return office.attest(attestation, unpacked(attestation.layout, attached))
    except DoesNotRecomputeError as error:
        logger.warning("run %s: refused: %s", attestation.run, error)
        record_refusal(office.home, attestation.run, error)
        raise


def _refused(kind: str, code: str, message: str, where: str = "", hint: str = "") -> bytes:
    refusal = requests.NotaryRefusal(kind, code, message, where, hint)
    return msgspec.msgpack.encode(requests.NotaryResponse(refusal=refusal))


def record_refusal(home: Home, run: str, error: DoesNotRecomputeError) -> None:
    """Write a refusal to the audit log; the database is opened when there is one to write."""
    try:
        database, now = Database(home.database_url), time.time()
        with database.transaction() as session:
            details = {"reason": str(error), "code": error.code}
            record.write(session, "evidence.refused", _ACTOR, f"run/{run}", now, details, outcome="denied")
        database.close()
    except Exception:  # the refusal stands whether it can be written or not
        logger.exception("the refusal was not written to the audit log")


if __name__ == "__main__":
    main()
