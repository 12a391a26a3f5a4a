"""The two written forms of a profile: a JSON document, and the same document as compressed MessagePack.

bytes = b"FALAJPRF"  u16 version (little-endian)  zlib(MessagePack(document))
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from falaj.statistics.profiles.counts import FeatureCounts, Moments
from falaj.statistics.profiles.distinct import REGISTERS, Distinct
from falaj.statistics.profiles.errors import ProfileFormatError
from falaj.statistics.profiles.joint import JointSums
from falaj.statistics.profiles.profile import Profile

MAGIC = b"FALAJPRF"
VERSION = 1
MOST_BYTES = 64 << 20  # of a document; what unpacks to more is refused, since profiles come from other machines
_VERSION = struct.Struct("<H")


def to_json(profile: Profile) -> dict[str, Any]:
    """A profile as a JSON document."""
    return {
        "form": VERSION,
        "schema": profile.schema,
        "start": profile.start,
        "end": profile.end,
        "rows": profile.rows,
        "repeated": profile.repeated,
        "absent": sorted(profile.absent),
        "unexpected": sorted(profile.unexpected),
        "features": {name: _feature(counts) for name, counts in profile.features.items()},
        "joint": [
            profile.joint.rows,
            *map(list, (profile.joint.scores, profile.joint.products, profile.joint.squares)),
        ],
    }


def _feature(counts: FeatureCounts) -> dict[str, Any]:
    moments = counts.moments
    document: dict[str, Any] = {"counts": list(counts.counts)}
    if moments.values:
        document["moments"] = [moments.values, moments.total, moments.squares]
    if counts.tails:
        document["tails"] = [[key, count] for key, count in counts.tails.items()]
    if counts.distinct:
        document["distinct"] = counts.distinct.registers.hex()
    if counts.frequent:
        document["frequent"] = dict(counts.frequent)
    return document


def from_json(document: Mapping[str, Any]) -> Profile:
    """Read a document.

    Raises:
        ProfileFormatError: It is no profile of a known version.
    """
    if document.get("form") != VERSION:
        raise ProfileFormatError(f"this is not a profile of the form {VERSION}: {document.get('form')!r}")
    try:
        return _profile(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProfileFormatError(f"the profile is damaged: {error!r}") from error


def _profile(document: Mapping[str, Any]) -> Profile:
    rows, scores, products, squares = document["joint"]
    return Profile(
        str(document["schema"]),
        float(document["start"]),
        float(document["end"]),
        int(document["rows"]),
        {name: _counts(feature_document) for name, feature_document in document["features"].items()},
        JointSums(int(rows), _whole(scores), _whole(products), _whole(squares)),
        int(document["repeated"]),
        frozenset(document["absent"]),
        frozenset(document["unexpected"]),
    )


def _counts(feature_document: Mapping[str, Any]) -> FeatureCounts:
    registers = bytes.fromhex(feature_document["distinct"]) if "distinct" in feature_document else None
    if registers is not None and len(registers) != REGISTERS:
        raise ValueError(f"{len(registers)} registers")
    return FeatureCounts(
        _whole(feature_document["counts"]),
        Moments(*_whole(feature_document.get("moments", (0, 0, 0)))),
        {int(key): int(count) for key, count in feature_document.get("tails", ())},
        None if registers is None else Distinct(registers),
        {str(level): int(count) for level, count in feature_document.get("frequent", {}).items()},
    )


def _whole(values: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def to_bytes(profile: Profile) -> bytes:
    """A profile as bytes."""
    return MAGIC + _VERSION.pack(VERSION) + zlib.compress(msgspec.msgpack.encode(to_json(profile)))


def from_bytes(data: bytes) -> Profile:
    """Read bytes.

    Raises:
        ProfileFormatError: They are no profile of a known version, or damaged, or far too many.
    """
    begin = len(MAGIC) + _VERSION.size
    if data[: len(MAGIC)] != MAGIC or len(data) < begin:
        raise ProfileFormatError("these bytes are not a profile")
    if (version := _VERSION.unpack(data[len(MAGIC) : begin])[0]) != VERSION:
        raise ProfileFormatError(f"a profile of version {version}; known is {VERSION}", hint="update this installation")
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(data[begin:], MOST_BYTES)
        if not unpacking.eof:
            raise ProfileFormatError("the profile is cut off or far too large")
        document = msgspec.msgpack.decode(text)
    except (zlib.error, msgspec.DecodeError) as error:
        raise ProfileFormatError(f"the profile is damaged: {error}") from error
    if not isinstance(document, dict):
        raise ProfileFormatError("these bytes are not a profile")
    return from_json(document)
