# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""wheelhouse-doctor: follows the path of a package to this machine, and reports what is wrong on it.

The standard library only, from Python 3.9 on: it has to work where installing does not. Its rooms, lowest first:

    findings.py     what a check found; one cause gives one failure
    settings.py     what IT says of this machine (/etc/wheelhouse/doctor.json)
    redaction.py    addresses without what is secret in them
    network.py      names, connections and answers, each with its time limit
    tls.py          whether a certificate is trusted, and if not, why
    environment.py  the proxy variables, as the tools read them
    proxy.py        the way through the proxy          credentials.py   ~/.netrc
    index.py        the way to the index
    machine.py      clock and disk
    commands.py     tools that are run and files that are read
    pip.py uv.py poetry.py conda.py     what each tool uses, and which file says so
    runner.py       all of them, side by side          report.py   table and JSON
    cli.py
"""
