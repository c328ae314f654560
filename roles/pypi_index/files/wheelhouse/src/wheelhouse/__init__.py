"""The program of a company's package index: uploads, what is published, and its pages.

Rooms, lowest first; each imports only from those above it, and a test says so:

    errors     what can go wrong, in terms of the index      logs, progress   one line for one thing; how far it is
    network    through which proxy others are asked          config           what the administrator decided
    formats/   what a file is: opened and judged in a process of its own
    store/     where bytes are: received, kept by their content, linked into what is served
    index/     what is published: rows, events, the one path of a change, pages, search, repair
    conda/     channels: an index of another shape
    maintenance   reindex, verify: the administrator's long commands
    upstream/  the public index: asked, kept, passed through
    web/       the WSGI application; HTTP is nowhere else
    intake/    public packages by a list: resolved, fetched, checked, published as a whole
    transfer/  bundles for an index without a route to this one: written, verified, applied
    cli        the command line                              command          what it loads for `wheelhouse health`
"""
