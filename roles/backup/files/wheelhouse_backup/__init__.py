"""Backups of an index host, and of homes on a Jupyter host, with restic; of Python, it needs nothing besides."""
