"""The tables of the audit log: leaves, their erasable details, pseudonyms, checkpoints."""
