"""Conda packages: the same steps as those for PyPI, on what channels have instead of an index.

Modules, lowest first; each imports only from those above it:

    platforms  machines, as conda calls them
    repodata   what a channel upstream lists
    resolver   py-rattler chooses
    source     the steps

py-rattler takes a while to load, and is loaded only where a line or a published package is of a channel.
"""
