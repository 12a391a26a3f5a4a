"""What the embedded MLflow holds in the clear of data whose key is destroyed: models and files that steps logged."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.api.platform import Platform
from falaj.storage import ReleaseRow, RunRow
from falaj.supply_chain.artifacts import parse_digest
from falaj.supply_chain.encryption import WrappedKey


def remove_copies(platform: Platform, gone: WrappedKey) -> int:
    """Remove the files of MLflow's runs that lay under a destroyed key; return how many runs had some.

    These are the runs of releases that can no longer be read, and those without a release from the time of the key.
    An MLflow server elsewhere is its operator's.

    Args:
        platform: The installation.
        gone: The key.
    """
    with platform.database.reading() as session:
        runs = [run for run in _runs(platform, session, gone) if run.mlflow_run]
    folders = [platform.home.mlflow_artifacts / str(run.mlflow_run) / "artifacts" for run in runs]
    copy_folders = [folder for folder in folders if folder.is_dir()]
    for folder in copy_folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(copy_folders)


def _runs(platform: Platform, session: Session, gone: WrappedKey) -> Iterator[RunRow]:
    for release_row in session.scalars(select(ReleaseRow)):
        if not platform.store.has(parse_digest(release_row.digest)):
            yield session.get_one(RunRow, release_row.run_id)
    if gone.scope.subject:
        return
    later = (key.created_at for key in platform.keys.entries() if key.scope == gone.scope)
    until = min((at for at in later if at > gone.created_at), default=math.inf)
    of_its_time = (RunRow.created_at >= gone.created_at, RunRow.created_at < until)
    yield from session.scalars(select(RunRow).where(RunRow.release.is_(None), *of_its_time))
