"""The tables of changes and their approvals."""
