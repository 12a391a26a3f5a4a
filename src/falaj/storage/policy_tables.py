"""The tables of role bindings and the organisation's own policies."""
