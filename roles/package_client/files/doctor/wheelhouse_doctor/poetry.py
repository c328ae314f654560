# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What Poetry uses. It takes its sources from the project alone, so there is something to see only in one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from wheelhouse_doctor.commands import Unreadable, find, line_with, toml, tomllib, without_account
from wheelhouse_doctor.findings import Finding, fail, ok, skipped
from wheelhouse_doctor.redaction import shown_url
from wheelhouse_doctor.settings import Settings

CHECK = "Poetry"


def look(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The findings about the Poetry project that the current directory is in."""
    poetry = find("poetry", environ)
    path = _project()
    if poetry is None or path is None or tomllib is None:
        reasons = {"there is none on the PATH": poetry, "the current directory is in no project": path}
        reason = next((reason for reason, found in reasons.items() if not found), "this Python cannot read its files")
        yield from skipped([CHECK], reason)
        return
    try:
        document = toml(path)
    except Unreadable as problem:
        yield fail(CHECK, poetry, f"Poetry cannot read its settings: {problem}.", "Mend the file.")
        return
    tool = document.get("tool", {}).get("poetry", {})
    backend = document.get("build-system", {}).get("build-backend", "")
    if not tool and "poetry" not in backend and not os.path.exists(os.path.join(os.path.dirname(path), "poetry.lock")):
        yield from skipped([CHECK], f"{path} is no project of Poetry's")
        return
    yield from _sources(settings, path, tool.get("source", []))


def _project() -> str | None:
    """The pyproject.toml of the current directory or the nearest above it."""
    directory = os.getcwd()
    while True:
        path = os.path.join(directory, "pyproject.toml")
        if os.path.isfile(path):
            return path
        if os.path.dirname(directory) == directory:
            return None
        directory = os.path.dirname(directory)


def _sources(settings: Settings, path: str, sources: list[dict]) -> Iterator[Finding]:
    # a source of priority explicit is asked only for what names it, and cannot be mistaken for the company's
    asked = [source for source in sources if source.get("priority", "primary") != "explicit"]
    others = [one for one in asked if without_account(str(one.get("url", ""))) != without_account(settings.simple_url)]
    for source in others:
        where = line_with(path, str(source.get("url") or source.get("name")))
        what = shown_url(str(source["url"])) if source.get("url") else "the public index"
        yield fail(
            CHECK,
            path,
            f"{where} has Poetry ask {what} besides the company's index, so that anybody's package may win over the "
            "company's of the same name.",
            'Take that source out, or give it `priority = "explicit"`, and run `poetry lock`.',
        )
    if len(others) == len(asked):
        yield fail(
            CHECK,
            path,
            f"The project {path} does not name the company's index, so Poetry goes elsewhere.",
            f"`poetry source add --priority=primary company {settings.simple_url}`, then `poetry lock`.",
        )
    elif not others:
        yield ok(CHECK, path, settings.simple_url)
