# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Settings by which packages come from elsewhere, or go elsewhere, that no tool of this shell was asked about.

Which they are, and how they are found in files, is the collection's list, which the role puts beside this program:
what the run looks for in everybody's files, the doctor looks for in those of the person who calls it, and in the
environment.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping

from ansible_collections.wheelhouse.onboarding.plugins.module_utils import conflicting_settings, package_sources

from wheelhouse_doctor import commands
from wheelhouse_doctor.findings import Finding, fail, ok, skipped, warn
from wheelhouse_doctor.settings import Settings

CHECK = "other sources"
MOST = 20
"""Findings that anybody reads."""
# what shells and logins read: a setting there is in force only where its variable is set, which is looked at first
_LATER = ("shell", "environment")


def look(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The findings about variables, and then those about files."""
    in_files = list(_in_files(settings, environ))
    found = list(_in_environment(settings, environ, in_files))
    told = {name for name, _ in found}
    findings = [finding for _, finding in found]
    for place, form, one in in_files:
        if one.setting not in told:
            findings.append(_finding(settings, place, form, one.setting, one.effect))
    yield from findings[:MOST]
    if not findings:
        yield ok(CHECK, "", "no setting has packages come from elsewhere")


def _in_environment(
    settings: Settings, environ: Mapping[str, str], in_files: list[tuple[str, str, conflicting_settings.Stray]]
) -> Iterator[tuple[str, Finding]]:
    for name in sorted(environ):
        setting = package_sources.variable(name)
        if setting is None:
            continue
        words = conflicting_settings.listed(environ[name])
        does = package_sources.judged(setting, words, settings.index_url, settings.conda_channels)
        if not does:
            continue
        where = [place for place, form, one in in_files if form in _LATER and one.setting == name]
        remedy = f"Unset {name}, and take it out of {where[0] if where else '~/.profile or ~/.bashrc'}."
        yield name, _told(settings, name, name, does, remedy)


def _in_files(settings: Settings, environ: Mapping[str, str]) -> Iterator[tuple[str, str, conflicting_settings.Stray]]:
    """(place, form, what is there) of the person's own files."""
    home = environ.get("HOME") or os.path.expanduser("~")
    for form, patterns in package_sources.HOME_FILES.items():
        for pattern in patterns:
            for path in sorted(glob.glob(os.path.join(glob.escape(home), pattern)))[:50]:
                try:
                    text = (commands.content(path) or b"").decode("utf-8", "surrogateescape")
                except commands.Unreadable:
                    continue
                for one in conflicting_settings.conflicting_package_sources(
                    text, form, settings.index_url, settings.conda_channels
                ):
                    yield f"{path}:{one.first + 1}", form, one


def _finding(settings: Settings, place: str, form: str, name: str, does: str) -> Finding:
    path, _, line = place.rpartition(":")
    remedy = f"Take line {line} out of {path}."
    if form == "pypirc":
        remedy = f"If that is not meant, take it out of {path}: `twine upload` goes there where a section is named."
    if form in _LATER:
        sentence = f"{place} sets {name}, which {does.format(index=settings.index_url)} in shells that read that file."
        return warn(CHECK, place, sentence, remedy)
    return _told(settings, place, f"{place} ({name})", does, remedy)


def _told(settings: Settings, place: str, subject: str, does: str, remedy: str) -> Finding:
    sentence = f"{conflicting_settings.sentence(subject, does, settings.index_url)}."
    # where one publishes is one's own decision, a password works until IT changes it, and what other settings come to,
    # the tool that reads them is asked
    if does in (package_sources.PUBLISHES, package_sources.PASSWORD, package_sources.OTHER_SETTINGS):
        return warn(CHECK, place, sentence, remedy)
    return fail(CHECK, place, sentence, remedy)


def without_what_others_tell(findings: list[Finding]) -> list[Finding]:
    """The findings without those of this check whose place a tool's own check names, too: one cause, one failure.

    A place is a variable, or a file, which a tool's own check has then looked at as a whole.
    """
    others = " ".join(finding.sentence for finding in findings if finding.check != CHECK)
    left = [
        finding
        for finding in findings
        if finding.check != CHECK
        or not finding.looked_at
        or not _names(others, re.sub(r":\d+\Z", "", finding.looked_at))
    ]
    if any(finding.check == CHECK for finding in findings) and not any(finding.check == CHECK for finding in left):
        left += skipped([CHECK], "see above")
    return left


def _names(text: str, place: str) -> bool:
    return re.search(rf"(?<![\w/]){re.escape(place)}(?!\w)", text) is not None
