#!/usr/bin/env python3
"""Check an exported Falaj audit log, with nothing but the export and the log's public key.

    python verify_log.py EXPORT KEY.pem [--earlier CHECKPOINT]

This script is written for auditors who trust neither the platform nor its makers: it needs Python 3.9 or newer and the
package `cryptography`, imports nothing of Falaj, and is short enough to be read. It checks that

  1. every checkpoint is signed by the key (C2SP signed note, Ed25519),
  2. at the size that each checkpoint names, the leaves up to there have its root (RFC 6962), so that the log was only
     ever appended to since the first checkpoint,
  3. the newest checkpoint covers every leaf, and the leaves are complete,
  4. every detail that is still there is the one whose salted hash stands in its leaf,
  5. with --earlier, that a checkpoint that you kept from before is one of those in the export.

Exit code 0: the log is what was signed. 1: it is not, and the first thing that is wrong is told.
"""

import argparse
import base64
import binascii
import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key


class WrongError(Exception):
    """The log is not what was signed."""


def main() -> int:
    """Check what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path, help="folder with leaves.jsonl, details.jsonl, checkpoints.jsonl")
    parser.add_argument("key", type=Path, help="the log's public key, PEM; get it from someone you trust")
    parser.add_argument("--earlier", type=Path, help="a checkpoint that you kept from before")
    options = parser.parse_args()
    try:
        leaves, details = check(options.export, options.key, options.earlier)
    except WrongError as error:
        print(f"REJECTED: {error}")
        return 1
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        print(f"REJECTED: the export cannot be read: {type(error).__name__}: {error}")
        return 1
    print(f"ACCEPTED: {leaves} entries are what was signed; {details} of them still tell their details")
    return 0


def check(export: Path, key_file: Path, earlier: "Path | None" = None) -> "tuple[int, int]":
    """Check an export; return how many leaves and details it holds."""
    key = load_pem_public_key(key_file.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise WrongError("the key is no Ed25519 key")
    texts = read_lines(export / "checkpoints.jsonl")
    checkpoints = [read_checkpoint(text["text"], key, f"checkpoint {n}") for n, text in enumerate(texts, 1)]
    if not checkpoints:
        raise WrongError("there is no checkpoint")
    if earlier is not None and earlier.read_text() not in [text["text"] for text in texts]:
        raise WrongError("the checkpoint that you kept is none of this log: its past was replaced")
    if len({origin for origin, _, _ in checkpoints}) > 1:
        raise WrongError("the checkpoints are of different logs")
    leaves = check_tree(export / "leaves.jsonl", {size: root for _, size, root in checkpoints}, len(checkpoints))
    return len(leaves), check_details(export / "details.jsonl", leaves)


def check_tree(path: Path, roots: "dict[int, bytes]", count: int) -> "list[str]":
    """Compare the tree of the leaves with every checkpoint; return what each leaf says of its details."""
    if len(roots) != count:
        raise WrongError("two checkpoints are of the same size")
    leaf_details: list[str] = []
    edge: list[tuple[int, bytes]] = []  # complete subtrees from left to right: their sizes and hashes
    compare(0, edge, roots)
    with path.open("rb") as file:
        for number, line in enumerate(file):
            leaf = line[:-1] if line.endswith(b"\n") else line
            fields = json.loads(leaf)
            if not isinstance(fields, dict) or not isinstance(fields.get("details"), str):
                raise WrongError(f"leaf {number} is malformed")
            leaf_details.append(fields["details"])
            width, value = 1, hashlib.sha256(b"\x00" + leaf).digest()
            while edge and edge[-1][0] == width:
                width, value = 2 * width, hashlib.sha256(b"\x01" + edge.pop()[1] + value).digest()
            edge.append((width, value))
            compare(number + 1, edge, roots)
    newest = max(roots)
    if newest != len(leaf_details):
        raise WrongError(f"the newest checkpoint is of {newest} entries, and there are {len(leaf_details)}")
    return leaf_details


def compare(size: int, edge: "list[tuple[int, bytes]]", roots: "dict[int, bytes]") -> None:
    """Compare the root of the leaves so far with the checkpoint of this size, if there is one."""
    if size not in roots:
        return
    root = hashlib.sha256(b"").digest() if not edge else edge[-1][1]
    for _, left_hash in reversed(edge[:-1]):
        root = hashlib.sha256(b"\x01" + left_hash + root).digest()
    if root != roots[size]:
        raise WrongError(
            f"the first {size} entries are not those of their checkpoint: one was changed, moved or removed"
        )


def check_details(path: Path, leaves: "list[str]") -> int:
    """Compare every detail with its salted hash in the leaf."""
    indexes: set[int] = set()
    for row in read_lines(path):
        index, salt, details = row["index"], bytes.fromhex(row["salt"]), row["text"].encode()
        if index in indexes or not 0 <= index < len(leaves):
            raise WrongError(f"the details of entry {index} are there twice, or there is no such entry")
        indexes.add(index)
        if leaves[index] != "sha256:" + hashlib.sha256(salt + details).hexdigest():
            raise WrongError(f"the details of entry {index} are not those that were logged")
    return len(indexes)


def read_checkpoint(text: str, key: Ed25519PublicKey, where: str) -> "tuple[str, int, bytes]":
    """Read a signed checkpoint: origin, size, root."""
    body, blank, tail = text.partition("\n\n")
    lines = body.split("\n")
    if not blank or len(lines) < 3 or not lines[1].isdigit():
        raise WrongError(f"{where} is malformed")
    raw = key.public_bytes_raw()
    name_of_key = hashlib.sha256(lines[0].encode() + b"\n\x01" + raw).digest()[:4]
    for line in tail.splitlines():
        _, name, encoded = [*line.split(" ", 2), "", ""][:3]
        try:
            signature = base64.b64decode(encoded, validate=True)
            if name == lines[0] and signature[:4] == name_of_key:
                key.verify(signature[4:], (body + "\n").encode())
                return lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True)
        except (InvalidSignature, binascii.Error):
            continue
    raise WrongError(f"{where} is not signed by this key")


def read_lines(path: Path) -> "list[dict]":
    """Read a file of JSON objects, one a line."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if not all(isinstance(row, dict) for row in rows):
        raise WrongError(f"{path.name} holds something else than objects")
    return rows


if __name__ == "__main__":
    sys.exit(main())
