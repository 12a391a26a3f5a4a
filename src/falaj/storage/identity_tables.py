"""The tables of accounts, sessions, tokens and approval keys."""
