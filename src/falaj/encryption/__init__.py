"""Encryption of bytes at rest: a stream format whose chunks cannot be cut, swapped or moved to another object."""
