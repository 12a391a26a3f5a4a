"""Git: how a commit reaches Falaj and how its fate is told.

Four ways in (a bare repository of the installation, a hook for any repository on the machine, polling of any URL,
webhooks of GitHub, GitLab and Gitea), mirrors that keep the commits of runs, and commit status back to the host. Every
call of git goes through `command.git`.
"""

from falaj.integrations.git.errors import GitInputError, GitMissingError, GitUnavailableError, WebhookRefusedError
from falaj.integrations.git.fetch import Author, author, contributors, mirror, pin, resolve
from falaj.integrations.git.parts import Submodule, lfs_pointers, submodule_url, submodules
from falaj.integrations.git.pinning import require_permitted
from falaj.integrations.git.polling import poll
from falaj.integrations.git.ref_validation import local_path, require_commit, require_ref, require_url
from falaj.integrations.git.remote import create_remote, install_hook, remote_path, require_hookable, require_own
from falaj.integrations.git.spool import SpooledPush, drain
from falaj.integrations.git.status import STATES, CommitStatus, reporter_for
from falaj.integrations.git.webhooks import MAX_BODY_BYTES, PushEvent, carries_signature, verify_and_parse

__all__ = [
    "MAX_BODY_BYTES",
    "STATES",
    "Author",
    "CommitStatus",
    "GitInputError",
    "GitMissingError",
    "GitUnavailableError",
    "PushEvent",
    "SpooledPush",
    "Submodule",
    "WebhookRefusedError",
    "author",
    "carries_signature",
    "contributors",
    "create_remote",
    "drain",
    "install_hook",
    "lfs_pointers",
    "local_path",
    "mirror",
    "pin",
    "poll",
    "remote_path",
    "reporter_for",
    "require_commit",
    "require_hookable",
    "require_own",
    "require_permitted",
    "require_ref",
    "require_url",
    "resolve",
    "submodule_url",
    "submodules",
    "verify_and_parse",
]
