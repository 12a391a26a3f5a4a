"""The tables of lineage edges."""
