"""Releases of PyPI, which uv chooses.

Modules, lowest first; each imports only from those above it:

    listings        what upstream lists
    candidates      what may be chosen of it, and of what is published
    loopback_index  that and the advisories over HTTP, for uv and pip-audit
    resolver        uv chooses
    source          the steps
"""
