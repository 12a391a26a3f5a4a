"""The commands, one module per subject; each has `register(app)`."""
