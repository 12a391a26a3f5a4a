"""Governance: who may do what, what was done, where it came from, and under which law.

One room a concern: `identity`, `policy`, `audit`, `lineage`, `privacy`, `keys`; `principal` and `settings` serve
all of them.
"""
