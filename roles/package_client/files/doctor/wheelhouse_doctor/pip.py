# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What each pip at hand uses: the one of the active virtualenv, the one in `.venv` here, and the one on the PATH."""

from __future__ import annotations

import configparser
import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.wheelhouse.onboarding.plugins.module_utils import package_sources

from wheelhouse_doctor import commands
from wheelhouse_doctor.commands import Slow, find, line_with, run
from wheelhouse_doctor.findings import Finding, fail, ok, skipped, warn
from wheelhouse_doctor.redaction import shown_url
from wheelhouse_doctor.settings import Settings

CHECK = "pip"
SYSTEM_STORE_SINCE = (24, 2)
_INSTALL = ("global", "install")  # the sections that `pip install` reads, the stronger one last
_YES = ("1", "true", "yes", "on", "y", "t")


@dataclass(frozen=True)
class Setting:
    """A value and where it stands: `/etc/pip.conf:4`, or the name of a variable."""

    value: str
    place: str


def at_hand(environ: Mapping[str, str]) -> list[str]:
    """The pips that a person of this environment may mean, each once."""
    environments = [environ.get("VIRTUAL_ENV"), os.path.join(os.getcwd(), ".venv")]
    found = [os.path.join(one, "bin", "pip") for one in environments if one]
    found += [path for path in (find("pip", environ), find("pip3", environ)) if path]
    by_folder: dict[str, str] = {}
    for path in found:
        if os.access(path, os.X_OK):
            by_folder.setdefault(os.path.realpath(os.path.dirname(path)), path)
    return list(by_folder.values())


def look(settings: Settings, environ: Mapping[str, str], pip: str | None) -> Iterator[Finding]:
    """The findings about one pip; `None` stands for that there is none."""
    if pip is None:
        yield from skipped([CHECK], "there is none on the PATH, and no virtualenv is active")
        return
    try:
        said = run([pip, "config", "debug"], environ)
        version = _version(pip, environ)
    except Slow as problem:
        yield problem.finding(CHECK, pip)
        return
    if said and not said.succeeded and "onfiguration" in said.errors:
        yield fail(CHECK, pip, *_malformed(pip, said.errors))
        return
    if said is None or not said.succeeded or version is None:
        yield fail(CHECK, pip, f"{pip} does not run.", "Make its virtualenv anew, for a new Python.")
        return
    found, unreadable = read(said.output, environ)
    name = f"{pip} {'.'.join(map(str, version))}"
    findings = list(_faults(settings, environ, name, version, found))
    for path in unreadable:
        findings.append(warn(CHECK, name, f"pip reads {path}, and the doctor cannot.", "Ask IT."))
    yield from findings
    index = effective(found, "index-url")
    if index and not findings:
        yield ok(CHECK, name, f"{shown_url(index.value)} ({index.place})")


def _malformed(pip: str, errors: str) -> tuple[str, str]:
    """(sentence, remedy) for settings that pip refuses, for which it then does nothing at all."""
    letters = re.search(r"contains invalid (\S+) characters in (/.+?)\.?\s*\Z", errors, re.MULTILINE)
    if letters:
        path = letters[2]
        found = (commands.content(path) or b"") if os.path.isfile(path) else b""
        line = next((n for n, text in enumerate(found.split(b"\n"), 1) if not _is_utf8(text)), 0)
        where = f"{path}, line {line}," if line else path
        return (
            f"pip cannot read its settings: {where} has a letter that is not in UTF-8, and so pip does nothing.",
            f"Save {path} as UTF-8: `iconv -f latin1 -t utf-8 {path} > new && mv new {path}`, or take the letter out.",
        )
    # the name of the file stands in quotes, or behind a word
    place = re.search(r"'(/[^']+)'(?: \[line\s+(\d+)\])?", errors)
    number = re.search(r"line:? +(\d+)", errors)
    where = f"{place[1]}{f', line {number[1]},' if number else ''}" if place else "a file"
    if "\ufeff" in errors or "\\ufeff" in errors:
        remedy = f"It begins with a byte order mark: save {place[1] if place else 'it'} as UTF-8 without one."
        return f"pip cannot read its settings: {where} is malformed.", remedy
    return f"pip cannot read its settings: {where} is malformed.", f"See `{pip} config debug`."


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _version(pip: str, environ: Mapping[str, str]) -> tuple[int, ...] | None:
    said = run([pip, "--version"], environ)
    match = said and re.match(r"pip (\d+)\.(\d+)(?:\.(\d+))?", said.output)
    return tuple(int(part) for part in match.groups() if part) if match else None


def read(debug: str, environ: Mapping[str, str]) -> tuple[dict[str, dict[str, Setting]], list[str]]:
    """({section: {key: setting}}, files that cannot be read), from the files that `pip config debug` lists.

    A later file wins over an earlier one within a section. What the environment says is in the section `:env:`.
    """
    listed: dict[str, list[str]] = {}
    kind = ""
    for line in debug.splitlines():
        if re.fullmatch(r"[a-z_]+:", line):
            kind = line[:-1]
        elif match := re.fullmatch(r"  (\S.*), exists: True", line):
            listed.setdefault(kind, []).append(match[1])
    if environ.get("PIP_CONFIG_FILE") == os.devnull:  # then pip reads no file, and lists them all the same
        listed.clear()
    found: dict[str, dict[str, Setting]] = {}
    unreadable = []
    for path in [path for kind in ("global", "user", "site", "env") for path in listed.get(kind, [])]:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(commands.text(path) or "")
        except (commands.Unreadable, configparser.Error):
            unreadable.append(path)
            continue
        for section in parser.sections():
            for key, text in parser.items(section):
                key = key.lower().replace("_", "-")
                found.setdefault(section, {})[key] = Setting(text, _line(path, section, key))
    for variable, text in environ.items():
        if variable.startswith("PIP_") and text:
            key = variable[4:].lower().replace("_", "-")
            found.setdefault(":env:", {})[key] = Setting(text, variable)
    return found, unreadable


def _line(path: str, section: str, key: str) -> str:
    """`path:line` of a key in an ini file."""
    inside = False
    for number, line in enumerate((commands.text(path) or "").split("\n"), 1):
        if line.startswith("["):
            inside = line.strip().startswith(f"[{section}]")
        elif inside and re.split(r"[=:]", line, maxsplit=1)[0].strip().lower().replace("_", "-") == key:
            return f"{path}:{number}"
    return line_with(path, key)


def effective(found: Mapping[str, Mapping[str, Setting]], key: str) -> Setting | None:
    """What counts for `pip install`: the environment, then [install], then [global], whichever file they are in."""
    for section in (":env:", *reversed(_INSTALL)):
        if key in found.get(section, {}):
            return found[section][key]
    return None


def _faults(
    settings: Settings,
    environ: Mapping[str, str],
    name: str,
    version: tuple[int, ...],
    found: Mapping[str, Mapping[str, Setting]],
) -> Iterator[Finding]:
    index = effective(found, "index-url")
    if index is None:
        other = environ.get("PIP_CONFIG_FILE")
        because = f" (PIP_CONFIG_FILE is {other})" if other else ""
        yield fail(
            CHECK,
            name,
            f"pip is not told of the company's index, {settings.simple_url}, and goes to the public one{because}.",
            "Unset PIP_CONFIG_FILE." if other else "Ask IT to run site.yml, which writes /etc/pip.conf.",
        )
    elif not package_sources.same_place(index.value, settings.index_url):
        yield fail(
            CHECK,
            name,
            f"{index.place} has pip use {shown_url(index.value)} instead of the company's index.",
            _take_out(index),
        )
    elif "@" in index.value:
        yield warn(
            CHECK,
            name,
            f"{index.place} has a password in the index's address.",
            f"{_take_out(index)} ~/.netrc is its place.",
        )
    for section in (*_INSTALL, "download", "wheel", ":env:"):
        settings_here = found.get(section, {})
        for key, sentence in (
            (
                "extra-index-url",
                "adds {value}, so that anybody's package may win over the company's of the same name",
            ),
            ("find-links", "has pip take packages from {value} as well, of which the highest version wins"),
            ("trusted-host", "has pip trust {value} without a certificate"),
            ("proxy", "gives pip a proxy that ignores NO_PROXY, so that the company's index is not found"),
        ):
            setting = settings_here.get(key)
            if setting and setting.value.strip():
                words = setting.value.split()
                if key in package_sources.PIP and not package_sources.judged(
                    package_sources.PIP[key], words, settings.index_url
                ):
                    continue
                shown = key in ("extra-index-url", "find-links")
                values = " and ".join(map(shown_url, words)) if shown else setting.value.strip()
                yield fail(CHECK, name, f"{setting.place} {sentence.format(value=values)}.", _take_out(setting))
    no_index = effective(found, "no-index")
    if no_index and no_index.value.strip().lower() in _YES:
        yield fail(CHECK, name, f"{no_index.place} has pip ask no index at all (no-index).", _take_out(no_index))
    if version >= SYSTEM_STORE_SINCE and settings.index_url.startswith("https:") and is_ip(settings.index_host):
        yield warn(
            CHECK,
            name,
            f"The index's address is an IP address, {settings.index_host}, with which pip from 24.2 on cannot check a "
            "certificate and ends with an error.",
            "Ask IT for an index with a name: wheelhouse_index_url.",
        )
    yield from _store(settings, environ, name, version, effective(found, "cert"))


def is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _take_out(setting: Setting) -> str:
    if "/" not in setting.place:
        return f"Unset {setting.place}, and take it out of ~/.profile or ~/.bashrc."
    path, _, line = setting.place.rpartition(":")
    return f"Take line {line} out of {path}." if path else f"Take it out of {setting.place}."


def _store(
    settings: Settings, environ: Mapping[str, str], name: str, version: tuple[int, ...], cert: Setting | None
) -> Iterator[Finding]:
    """Whether this pip looks at a store that has the company's CA in it; where there is no such CA, its own will do."""
    variable = next((name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if environ.get(name)), None)
    if cert and not os.path.exists(cert.value.strip()):
        yield fail(CHECK, name, f"{cert.place} names {cert.value.strip()}, which is not there.", _take_out(cert))
    elif settings.company_ca and version < SYSTEM_STORE_SINCE and not cert and not variable:
        yield fail(
            CHECK,
            name,
            f"pip {version[0]}.{version[1]} is too old to look into this machine's trust store by itself, and is "
            "not told to, so it does not trust the company's index.",
            f"`pip config --user set global.cert {settings.ca_store}`, or a newer pip (24.2 or later).",
        )
