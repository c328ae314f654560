"""The index host's program: uploads, the shelf and its pages.

Rooms, lowest first; each imports only from those above it:

    logs          what is logged, a line each
    answers       what is answered to a request      outside  through which proxy, and trusting whom, others are asked
    config        what the administrator decided
    archive       what holds for any archive            zipformat  zip files
    metadata      core metadata, old and new
    distribution  open a wheel or sdist safely          rules    verdicts on it
    sdists        what source distributions need        condapackage  open a conda package safely
    confined      a process of their own for those who open archives
    reading       what is read there
    rights        who may publish what
    shelf         the files, atomically                 journal  what happened
    pages         the simple index, from the journal's events
    publishing    one change to one project: publish, yank, unyank, remove
    arrivals      files that were copied in
    upkeep        the whole shelf: reindex, verify  channels      conda channels
    cache         copies of public files                recent   one answer for many who ask
    mirror        public pages and files through us     upstream names that are not on the shelf
    catalogue     what is on the shelf, for people
    front         the pages that people look at         rpc      pip search
    uploads       uploads, through pypiserver
    intake        public packages by a list: resolved, fetched, checked, published as a whole
    web           the WSGI application                  cli      the command line, with progress
"""
