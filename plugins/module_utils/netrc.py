# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Entries of a netrc file that every reader of it reads alike."""

from __future__ import annotations

import re

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.credentials import (
    check_account,
    check_printable_ascii,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.hosts import is_ipv4, is_name
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import shown

LONGEST = 1000  # characters of a login or password; curl gives up on lines of more than 4 KiB
_NEEDS_QUOTES = re.compile(r'[ "\\#]')


def netrc_entry(host: str, login: str, password: str) -> str:
    """One entry of a netrc file: one line, with the line's end.

    host        name or IPv4 address of the server, without scheme and port (a netrc file knows no ports)
    login       the account as it is typed
    password    its password as it is typed

    Raises ValueError for what Python, curl and uv would not read back to the same text.
    """
    _check_host(host)
    check_account(login, password, "login", "password")
    for value, what in ((login, "login"), (password, "password")):
        _check_value(value, what)
    line = f"machine {host.lower()} login {_token(login)} password {_token(password)}"
    if line.endswith('"'):
        # Python's parser (and uv's, made after it) misreads a comment in the line after a quoted value, for example
        # the "# END" of a managed block, and then the whole file. An empty comment on the same line prevents that.
        line += " #"
    return line + "\n"


def _check_host(host: str) -> None:
    if host.lower() == "default":
        raise ValueError("host is 'default', which would give the password to every server: write the server's name.")
    if not is_name(host) and not is_ipv4(host):
        raise ValueError(
            f"host is {shown(host)}: write a host name like 'packages.acme.example' or an IPv4 address, "
            "without scheme, port or path."
        )


def _check_value(value: str, what: str) -> None:
    check_printable_ascii(value, what)
    if not value:
        raise ValueError(f"{what} is empty: without one, leave out the whole entry.")
    if len(value) > LONGEST:
        raise ValueError(f"{what} is longer than {LONGEST} characters, which curl can't read from a netrc file.")


def _token(value: str) -> str:
    """`value`, in double quotes where it needs them: curl before 7.84 and some smaller readers know no quotes."""
    if not _NEEDS_QUOTES.search(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
