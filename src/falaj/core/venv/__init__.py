"""The project's own python with what its lockfile names."""
