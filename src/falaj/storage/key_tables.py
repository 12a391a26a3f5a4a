"""The tables of keys at rest and the secrets of steps."""
