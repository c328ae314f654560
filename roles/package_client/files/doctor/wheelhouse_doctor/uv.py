# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What uv uses. It has no command that says so; these are the files and variables it reads, by its documentation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from wheelhouse_doctor.commands import Unreadable, find, line_with, run, toml, tomllib, without_account
from wheelhouse_doctor.findings import Finding, fail, ok, skipped
from wheelhouse_doctor.redaction import shown_url
from wheelhouse_doctor.settings import Settings

CHECK = "uv"
_YES = ("1", "true", "yes", "on", "y", "t")


def read_files(environ: Mapping[str, str]) -> list[tuple[str, dict]]:
    """(path, what uv's settings in it are) of the files that uv reads from here, the strongest first.

    Raises `Unreadable`.
    """
    if environ.get("UV_NO_CONFIG", "").lower() in _YES:
        return []
    if environ.get("UV_CONFIG_FILE"):
        return [(environ["UV_CONFIG_FILE"], toml(environ["UV_CONFIG_FILE"]))]
    home = environ.get("HOME") or os.path.expanduser("~")
    found = []
    directory = os.getcwd()
    while not found:
        own, project = os.path.join(directory, "uv.toml"), os.path.join(directory, "pyproject.toml")
        if os.path.isfile(own):
            found.append((own, toml(own)))
        elif "uv" in toml(project).get("tool", {}):
            found.append((project, toml(project)["tool"]["uv"]))
        if os.path.dirname(directory) == directory:
            break
        directory = os.path.dirname(directory)
    configurations = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    found.append((path := os.path.join(configurations, "uv", "uv.toml"), toml(path)))
    system = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    candidates = [os.path.join(one, "uv", "uv.toml") for one in [*system, "/etc"] if one]
    return found + [(path, toml(path)) for path in candidates if os.path.isfile(path)][:1]


def look(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The findings about uv."""
    uv = find("uv", environ)
    if uv is None:
        yield from skipped([CHECK], "there is none on the PATH")
        return
    said = run([uv, "--version"], environ)
    if said is None or not said.succeeded:
        yield fail(CHECK, uv, f"{uv} does not run.", "Ask IT to run site.yml, which installs it anew.")
        return
    name = f"{uv} {' '.join(said.output.split()[1:2])}"
    if tomllib is None:
        yield from skipped([CHECK], "this machine's Python is too old to read its files (3.11 is the first that can)")
        return
    try:
        read = read_files(environ)
    except Unreadable as problem:
        yield fail(CHECK, name, f"uv cannot read its settings: {problem}.", "Mend the file, or move it away.")
        return
    defaults, extras = indexes(read, environ)
    faults = list(_faults(settings, environ, name, read, defaults, extras))
    yield from faults
    if not faults:
        url, place = defaults[0]
        yield ok(CHECK, name, f"{shown_url(url)} ({place})")


def indexes(
    read: list[tuple[str, dict]], environ: Mapping[str, str]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """([(URL, place) of the default index, the strongest first], [(URL, place) of indexes asked besides])."""
    defaults, extras = [], []
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        if environ.get(variable):
            defaults.append((_url(environ[variable]), variable))
    for variable in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
        extras += [(_url(word), variable) for word in environ.get(variable, "").split()]
    for path, table in read:
        for part in (table, table.get("pip", {})):
            for index in part.get("index", []) if part is table else []:
                place = (str(index.get("url", "")), line_with(path, str(index.get("url", ""))))
                if index.get("default"):
                    defaults.append(place)
                elif not index.get("explicit"):
                    extras.append(place)
            if part.get("index-url"):
                defaults.append((part["index-url"], line_with(path, part["index-url"])))
            extras += [(url, line_with(path, url)) for url in part.get("extra-index-url", [])]
    return defaults, extras


def _url(word: str) -> str:
    """The address in `NAME=URL`, the form in which a variable may name an index."""
    name, equals, url = word.partition("=")
    return url if equals and "/" not in name else word


def _faults(
    settings: Settings,
    environ: Mapping[str, str],
    name: str,
    read: list[tuple[str, dict]],
    defaults: list[tuple[str, str]],
    extras: list[tuple[str, str]],
) -> Iterator[Finding]:
    wanted = without_account(settings.simple_url)
    if not defaults:
        yield fail(
            CHECK,
            name,
            f"uv is not told of the company's index, {settings.simple_url}, and goes to the public one.",
            "Ask IT to run site.yml, which writes /etc/uv/uv.toml; UV_NO_CONFIG keeps uv from reading it.",
        )
    elif without_account(defaults[0][0]) != wanted:
        url, place = defaults[0]
        yield fail(
            CHECK,
            name,
            f"{place} has uv use {shown_url(url)} instead of the company's index.",
            f"Take it out of {place}.",
        )
    for url, place in extras:
        if without_account(url) != wanted:
            yield fail(
                CHECK,
                name,
                f"{place} has uv ask {shown_url(url)} before the company's index, so that anybody's package may win "
                "over the company's of the same name.",
                _out(place) + " Where a project needs it, `explicit = true` keeps it to that.",
            )
    insecure = [(environ["UV_INSECURE_HOST"], "UV_INSECURE_HOST")] if environ.get("UV_INSECURE_HOST") else []
    insecure += [
        (", ".join(table["allow-insecure-host"]), path) for path, table in read if table.get("allow-insecure-host")
    ]
    for hosts, place in insecure:
        yield fail(CHECK, name, f"{place} has uv trust {hosts} without a certificate.", _out(place))
    if settings.company_ca and not environ.get("SSL_CERT_FILE") and not _system_store(environ, read):
        yield fail(
            CHECK,
            name,
            "uv is not told to look into this machine's trust store, so it does not trust the company's index.",
            "Ask IT to run site.yml, which sets `system-certs` in /etc/uv/uv.toml.",
        )


def _out(place: str) -> str:
    return f"Take it out of {place}." if "/" in place else f"Unset {place}, and take it out of ~/.profile or ~/.bashrc."


def _system_store(environ: Mapping[str, str], read: list[tuple[str, dict]]) -> bool:
    """Whether uv looks into the system's store; `native-tls` is what `system-certs` was called before."""
    for variable in ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS"):
        if environ.get(variable):
            return environ[variable].lower() in _YES
    for _, table in read:
        for key in ("system-certs", "native-tls"):
            if key in table:
                return bool(table[key])
    return False
