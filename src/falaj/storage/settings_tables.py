"""The tables of what was applied of platform.yaml, version by version."""
