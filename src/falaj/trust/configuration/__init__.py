"""Configuration: what a platform file would change, who may let it, and making it the one that holds."""

from falaj.trust.configuration.apply import AppliedVersion, SettingsOrigin, apply, plan
from falaj.trust.configuration.loosening import require_person

__all__ = ["AppliedVersion", "SettingsOrigin", "apply", "plan", "require_person"]
