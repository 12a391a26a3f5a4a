"""What a secret of a project must be like."""

LEAST_CHARACTERS = 8
"""A shorter text appears in too many places by accident to be hidden in all of them."""
