"""The terminal. It speaks to the platform only through `falaj.sdk`, and imports what a command needs when it runs.

Exit codes: 0 done; 1 a run, check or gate did not pass; 2 the command or a file is wrong and nothing was changed;
3 not found; 4 the state does not allow it; 5 bytes or signatures are wrong; 6 unavailable, retry may help;
7 policy does not permit it; 130 interrupted.
"""
