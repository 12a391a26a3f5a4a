"""Builds: from a commit to a judged and packaged model."""
