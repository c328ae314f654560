"""Commands that ask the company's directory, for playbooks."""

import argparse
import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from wheelhouse import config, ldap_settings
from wheelhouse.errors import Rejected
from wheelhouse.ldap_settings import Ldap


class _Given(msgspec.Struct):
    settings: Ldap
    password: str
    ca: str = ""
    """PEM."""


def check(options: argparse.Namespace) -> int:
    """Ask a directory with the settings of the standard input. Raises `Unreachable`, `Rejected`."""
    try:
        given = msgspec.json.decode(sys.stdin.buffer.read(), type=_Given)
        # in memory, since the container's file system is read-only
        with tempfile.NamedTemporaryFile("w", dir="/dev/shm") as ca:
            ca.write(given.ca)
            ca.flush()
            faults = _client(
                ldap_settings.complete(given.settings, given.password, ca.name if given.ca else "")
            ).check()
    except ValueError as error:
        raise Rejected(f"The settings of the directory cannot be used: {error}") from None
    for fault in faults:
        print(f"wheelhouse: {fault}", file=sys.stderr)
    return 1 if faults else 0


def people(options: argparse.Namespace) -> int:
    """Print whoever is in the groups. Raises `Unreachable`, `Rejected`."""
    settings = config.load(Path(os.environ.get("WHEELHOUSE_CONFIG", "/config"))).ldap
    if settings is None:
        raise Rejected("There is no directory: set wheelhouse_ldap, and run site.yml.")
    print(json.dumps(_client(settings).everyone()))
    return 0


def _client(settings: Ldap) -> Any:
    # its log is for the server: here, the sentence is all
    logging.getLogger("wheelhouse.ldap_directory").setLevel(logging.CRITICAL)
    # only here, since it loads the library
    from wheelhouse.ldap_directory.client import Client  # noqa: PLC0415

    return Client(settings)
