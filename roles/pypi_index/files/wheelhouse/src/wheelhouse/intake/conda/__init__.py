"""Conda packages: the same steps as those for PyPI, on what channels have instead of an index.

Rooms, lowest first; each imports only from those above it:

    spec       what is asked for            platforms  machines, as conda calls them
    upstream   what a channel upstream lists
    resolve    py-rattler chooses
    publish    out of the quarantine, into the company's channel of the same name
    channel    the steps

py-rattler takes a while to load, and is loaded by what `intake` imports alone.
"""
