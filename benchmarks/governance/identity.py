"""What proving an identity costs: each request, each password, each approval key.

    python benchmarks/governance/identity.py

A request is authenticated by a digest and two rows, and must stay far below the 1 ms of a decision. A password is slow
on purpose; what one login costs is what one guess costs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from timing import median_ms

from falaj.core.principal import PrincipalKind
from falaj.storage import Database
from falaj.storage.facts import open_fact_store
from falaj.trust.identity import NewAccount, NewToken, Passwords, accounts, authenticate, open_session, tokens

NOW = 1_800_000_000.0
LIMIT_MS = 1.0


def main() -> int:
    with TemporaryDirectory() as folder:
        database = Database(
            f"sqlite:///{Path(folder) / 'falaj.db'}", open_fact_store(Path(folder), Path(folder) / "keys")
        )
        database.migrate()
        with database.transaction() as session:
            new_account = NewAccount(PrincipalKind.USER, "ana", accounts.LOCAL, "ana@example.org")
            row = accounts.create(session, new_account, "user:root", NOW)
            ana = accounts.principal_of(row, authenticated_at=NOW)
            carried = open_session(session, ana, "login", NOW)
            token, _ = tokens.issue(session, row, NewToken("ci", frozenset({"read"}), 3600.0), ana, NOW)

        def ask(secret: str) -> None:
            with database.reading() as session:
                authenticate(session, secret, NOW)

        measured = {
            "session": median_ms(lambda: ask(carried), 500),
            "token": median_ms(lambda: ask(token), 500),
            "unknown secret": median_ms(lambda: ask(carried.replace("falaj-session.", "falaj-session.x")), 500),
        }
        database.close()
    passwords = Passwords()
    password_hash = passwords.hash("correct horse battery")
    existing_ms = median_ms(lambda: passwords.verify(password_hash, "wrong"), 10)
    unknown = median_ms(lambda: passwords.verify(None, "wrong"), 10)
    for name, took in measured.items():
        print(f"authenticate, {name:15} {took:7.3f} ms")
    print(f"password of a known name     {existing_ms:7.1f} ms")
    print(f"password of an unknown name  {unknown:7.1f} ms  ratio {unknown / existing_ms:.2f}")
    return 0 if max(measured.values()) < LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
