# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What uv uses.

Whether it can read its settings, uv itself is asked. It has no command that says what they are; these are the files and
variables it reads, by its documentation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from ansible_collections.wheelhouse.onboarding.plugins.module_utils import conflicting_settings, package_sources

from wheelhouse_doctor.commands import READS_TOML, Slow, Table, Unreadable, find, line_with, run, table, toml
from wheelhouse_doctor.findings import FAIL, Finding, fail, ok, skipped, warn
from wheelhouse_doctor.redaction import shown_url
from wheelhouse_doctor.settings import Settings

CHECK = "uv"
_YES = ("1", "true", "yes", "on", "y", "t")


def _paths(environ: Mapping[str, str]) -> list[str]:
    """The files that uv reads from here, the strongest first; whether they are there is another matter."""
    if environ.get("UV_NO_CONFIG", "").lower() in _YES:
        return []
    if environ.get("UV_CONFIG_FILE"):
        return [environ["UV_CONFIG_FILE"]]
    home = environ.get("HOME") or os.path.expanduser("~")
    found: list[str] = []
    directory = os.getcwd()
    while not found:
        own, project = os.path.join(directory, "uv.toml"), os.path.join(directory, "pyproject.toml")
        if os.path.isfile(own):
            found.append(own)
        elif _of_uv(project) is not None:
            found.append(project)
        if os.path.dirname(directory) == directory:
            break
        directory = os.path.dirname(directory)
    configurations = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    system = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    candidates = [os.path.join(one, "uv", "uv.toml") for one in [*system, "/etc"] if one]
    return [
        *found,
        os.path.join(configurations, "uv", "uv.toml"),
        *[one for one in candidates if os.path.isfile(one)][:1],
    ]


def _of_uv(project: str) -> Table | None:
    """[tool.uv] of a pyproject.toml; None where there is none."""
    try:
        found = table(toml(project), "tool").get("uv")
    except Unreadable:
        return None
    return found if isinstance(found, dict) else None


def read_files(environ: Mapping[str, str]) -> list[tuple[str, Table]]:
    """(path, what uv's settings in it are) of the files that uv reads from here, the strongest first.

    Raises `Unreadable`.
    """
    return [
        (path, (_of_uv(path) or {}) if os.path.basename(path) == "pyproject.toml" else toml(path))
        for path in _paths(environ)
    ]


def look(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The findings about uv."""
    uv = find("uv", environ)
    if uv is None:
        yield from skipped([CHECK], "there is none on the PATH")
        return
    configuration = environ.get("UV_CONFIG_FILE")
    if configuration and not os.path.exists(configuration):
        sentence = f"UV_CONFIG_FILE is {configuration}, which is not there, and so uv does nothing."
        yield fail(CHECK, uv, sentence, "Unset UV_CONFIG_FILE, and take it out of ~/.profile or ~/.bashrc.")
        return
    try:
        said = run([uv, "--version"], environ)
        # a command that reads all settings, and nothing else
        settings_read = run([uv, "cache", "dir"], environ)
    except Slow as problem:
        yield problem.finding(CHECK, uv)
        return
    if said is None or not said.succeeded or settings_read is None:
        yield fail(CHECK, uv, f"{uv} does not run.", "Ask IT to run site.yml, which installs it anew.")
        return
    name = f"{uv} {' '.join(said.output.split()[1:2])}"
    if not settings_read.succeeded:
        yield fail(CHECK, name, *_refused(environ, name, settings_read.errors))
        return
    if not READS_TOML:
        yield from skipped([CHECK], "this machine's Python is too old to read its files (3.11 is the first that can)")
        return
    try:
        read = read_files(environ)
    except Unreadable as problem:
        yield fail(CHECK, name, f"uv cannot read its settings: {problem}.", "Mend the file, or move it away.")
        return
    defaults, extras = indexes(read, environ)
    faults = [*_faults(settings, environ, name, read, defaults, extras), *_others(settings, name, read)]
    yield from faults
    if not any(fault.verdict == FAIL for fault in faults) and defaults:
        url, place = defaults[0]
        yield ok(CHECK, name, f"{shown_url(url)} ({place})")


def _refused(environ: Mapping[str, str], name: str, errors: str) -> tuple[str, str]:
    """(sentence, remedy) for settings that uv refuses, with which it then does nothing; it quotes secret lines."""
    errors = re.sub(r"\x1b\[[0-9;]*m", "", errors)
    version = re.search(r"Required uv version `([^`\s]{1,40})` does not match", errors)
    if version:
        places = [line_with(path, "required-version") for path in _paths(environ)]
        where = next((place for place in places if re.search(r":\d+\Z", place)), "a file")
        return (
            f"{where} has uv demand that it is {version[1]} itself, which {name} is not, and so it does nothing.",
            f"Take required-version out of {where}, or ask IT for that version.",
        )
    variable = re.search(r"environment variable `([A-Z_]+)`", errors)
    if variable:
        return f"uv cannot read the value of {variable[1]}, and so it does nothing.", f"Unset {variable[1]}."
    path = re.search(r"(?:Failed to parse:?|read from file) `?(/[^`\n]+?)`?(?:$|: )", errors, re.MULTILINE)
    line = re.search(r"at line (\d+)", errors)
    where = f"{path[1] if path else 'a file'}{f', line {line[1]},' if line else ''}"
    unknown = re.search(r"unknown field `([\w-]{1,60})`", errors)
    if unknown:
        return (
            f"uv cannot read its settings, and so it does nothing: {where} has {unknown[1]}, which it does not know.",
            f"Take {unknown[1]} out of {path[1] if path else 'that file'}, or ask IT for a newer uv.",
        )
    if "valid UTF-8" in errors:
        return (
            f"uv cannot read its settings, and so it does nothing: {where} has a letter that is not in UTF-8.",
            f"Save {path[1] if path else 'it'} as UTF-8, or take the letter out.",
        )
    if (
        path
        and line
        and "TOML parse error" in errors
        and re.search(r"invalid type|expected (a|one)|unknown variant", errors)
    ):
        return f"uv cannot read its settings, and so it does nothing: the value in {where} is wrong.", "Mend that line."
    if path:
        place = f" from line {line[1]} on" if line else ""
        sentence = f"uv cannot read its settings, and so it does nothing: {path[1]} is no TOML{place}."
        return sentence, "Mend the file, or move it away."
    return (
        f"{name} cannot read its settings, and so it does nothing.",
        f"`{name.split(maxsplit=1)[0]} cache dir` says more.",
    )


def _others(settings: Settings, name: str, read: list[tuple[str, Table]]) -> Iterator[Finding]:
    """Findings about what else in files has packages come from elsewhere."""
    for path, told in read:
        for key, value in [*told.items(), *((f"pip.{key}", value) for key, value in table(told, "pip").items())]:
            if key.rpartition(".")[2] in ("index", "index-url", "extra-index-url", "allow-insecure-host"):
                continue  # told of already
            setting = package_sources.UV.get(key)
            words = [str(one) for one in value] if isinstance(value, list) else [str(value)]
            does = setting and package_sources.judged(setting, words, settings.index_url)
            if does:
                place = line_with(path, key.rpartition(".")[2])
                sentence = f"{conflicting_settings.sentence(f'{place} ({key})', does, settings.index_url)}."
                tell = warn if does == package_sources.PUBLISHES else fail
                yield tell(CHECK, name, sentence, _out(place))


def indexes(
    read: list[tuple[str, Table]], environ: Mapping[str, str]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """([(URL, place) of the default index, the strongest first], [(URL, place) of indexes asked besides])."""
    defaults, extras = [], []
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        if environ.get(variable):
            defaults.append((_url(environ[variable]), variable))
    for variable in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
        extras += [(_url(word), variable) for word in environ.get(variable, "").split()]
    for path, told in read:
        for part in (told, table(told, "pip")):
            for index in part.get("index", []) if part is told else []:
                if not isinstance(index, dict):
                    continue
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
    read: list[tuple[str, Table]],
    defaults: list[tuple[str, str]],
    extras: list[tuple[str, str]],
) -> Iterator[Finding]:
    if not defaults:
        kept = next((variable for variable in ("UV_NO_CONFIG", "UV_CONFIG_FILE") if environ.get(variable)), "")
        because = f", because {kept} keeps it from reading what says so" if kept else ""
        yield fail(
            CHECK,
            name,
            f"uv is not told of the company's index, {settings.simple_url}, and goes to the public one{because}.",
            f"Unset {kept}." if kept else "Ask IT to run site.yml, which writes /etc/uv/uv.toml.",
        )
    elif not package_sources.same_place(defaults[0][0], settings.index_url):
        url, place = defaults[0]
        yield fail(
            CHECK,
            name,
            f"{place} has uv use {shown_url(url)} instead of the company's index.",
            f"Take it out of {place}.",
        )
    for url, place in extras:
        if not package_sources.same_place(url, settings.index_url):
            yield fail(
                CHECK,
                name,
                f"{place} has uv ask {shown_url(url)} before the company's index, so that anybody's package may win "
                "over the company's of the same name.",
                _out(place) + " Where a project needs it, `explicit = true` keeps it to that.",
            )
    insecure = [(environ["UV_INSECURE_HOST"], "UV_INSECURE_HOST")] if environ.get("UV_INSECURE_HOST") else []
    insecure += [
        (", ".join(told["allow-insecure-host"]), path) for path, told in read if told.get("allow-insecure-host")
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


def _system_store(environ: Mapping[str, str], read: list[tuple[str, Table]]) -> bool:
    """Whether uv looks into the system's store; `native-tls` is what `system-certs` was called before."""
    for variable in ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS"):
        if environ.get(variable):
            return environ[variable].lower() in _YES
    for _, told in read:
        for key in ("system-certs", "native-tls"):
            if key in told:
                return bool(told[key])
    return False
