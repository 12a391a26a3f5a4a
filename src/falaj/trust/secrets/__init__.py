"""Keys and secrets as the control plane sees them: rows, with rotation and destruction.

Data keys are kept wrapped by the root key, in the database and in a list on each machine; the rows are the truth.
Secrets of steps and of the platform are kept encrypted under them.
"""

from falaj.trust.secrets.errors import BadSecretError, UnknownKeyError, UnknownSecretError
from falaj.trust.secrets.platform_secrets import (
    PLATFORM,
    list_platform_secrets,
    platform_secret,
    remove_platform_secret,
    set_platform_secret,
)
from falaj.trust.secrets.registry import all_data_keys, data_key, destroy, rotate, subject_key, synchronise
from falaj.trust.secrets.secrets import (
    SecretNote,
    Vault,
    is_sealed,
    list_secrets,
    remove_secret,
    secret_values,
    set_secret,
)

__all__ = [
    "PLATFORM",
    "BadSecretError",
    "SecretNote",
    "UnknownKeyError",
    "UnknownSecretError",
    "Vault",
    "all_data_keys",
    "data_key",
    "destroy",
    "is_sealed",
    "list_platform_secrets",
    "list_secrets",
    "platform_secret",
    "remove_platform_secret",
    "remove_secret",
    "rotate",
    "secret_values",
    "set_platform_secret",
    "set_secret",
    "subject_key",
    "synchronise",
]
