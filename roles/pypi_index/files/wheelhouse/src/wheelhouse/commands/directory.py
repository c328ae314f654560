"""`wheelhouse check-ldap` and `ldap-people`: the company's directory, for playbooks."""

import argparse
import json
import logging
import sys
import tempfile
from typing import Any

import msgspec

from wheelhouse import ldap_settings
from wheelhouse.commands import places
from wheelhouse.commands.output import Commands
from wheelhouse.errors import Rejected
from wheelhouse.ldap_settings import Ldap


def add(commands: Commands) -> None:
    """Add them."""
    ldap = commands.add_parser(
        "check-ldap",
        help="check settings of the company's directory, which are read from the standard input",
        description="Connect to a directory with settings from the standard input, a JSON object with the keys"
        " settings, password and ca. Report what the directory does not have.",
    )
    ldap.set_defaults(run=_check)
    everyone = commands.add_parser(
        "ldap-people",
        help="list the people in the groups of the company's directory",
        description="Print a JSON object: of each person in one of the groups, the names of these groups.",
    )
    everyone.set_defaults(run=_people)


class _Given(msgspec.Struct):
    settings: Ldap
    password: str
    ca: str = ""
    """PEM."""


def _check(options: argparse.Namespace) -> int:
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


def _people(options: argparse.Namespace) -> int:
    """Print whoever is in the groups. Raises `Unreachable`, `Rejected`."""
    settings = places.settings().ldap
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
