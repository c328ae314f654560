# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What Poetry uses: the sources of the project, and where there are none, those that IT's command for it knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.package_sources import same_place

from wheelhouse_doctor.commands import READS_TOML, Table, Unreadable, find, line_with, table, toml
from wheelhouse_doctor.findings import Finding, fail, ok, skipped
from wheelhouse_doctor.redaction import shown_url
from wheelhouse_doctor.settings import Settings

CHECK = "Poetry"
MIRROR = "POETRY_PYPI_MIRROR_URL"


def look(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The findings about Poetry, and about the project of its that the current directory is in."""
    poetry = find("poetry", environ)
    if poetry is None or not READS_TOML:
        yield from skipped([CHECK], "this Python cannot read its files" if poetry else "there is none on the PATH")
        return
    # what it asks where a project names no source: IT's goes to the company's index, any other to the public one
    by_itself = ""
    if settings.poetry and os.path.realpath(poetry) == os.path.realpath(settings.poetry):
        by_itself = environ.get(MIRROR) or settings.simple_url
        if not same_place(by_itself, settings.index_url):
            yield fail(
                CHECK,
                poetry,
                f"{MIRROR} has Poetry use {shown_url(by_itself)} instead of the company's index.",
                f"Unset {MIRROR}, and take it out of ~/.profile or ~/.bashrc.",
            )
            return
    path = _project()
    try:
        document = toml(path) if path else {}
    except Unreadable as problem:
        yield fail(CHECK, poetry, f"Poetry cannot read its settings: {problem}.", "Mend the file.")
        return
    if path and _is_of_poetry(path, document):
        sources = table(table(document, "tool"), "poetry").get("source")
        told = [one for one in sources if isinstance(one, dict)] if isinstance(sources, list) else []
        yield from _sources(settings, path, told, by_itself)
    elif by_itself:
        yield ok(CHECK, poetry, settings.simple_url)
    else:
        reason = f"{path} is no project of Poetry's" if path else "the current directory is in no project"
        yield from skipped([CHECK], reason)


def _is_of_poetry(path: str, document: Table) -> bool:
    backend = str(table(document, "build-system").get("build-backend"))
    lock = os.path.join(os.path.dirname(path), "poetry.lock")
    return "poetry" in table(document, "tool") or "poetry" in backend or os.path.exists(lock)


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


def _sources(settings: Settings, path: str, sources: list[Table], by_itself: str) -> Iterator[Finding]:
    """The findings about a project's sources; `by_itself` is the index that stands for the one named PyPI, if any."""
    # a source of priority explicit is asked only for what names it, and cannot be mistaken for the company's
    asked = [source for source in sources if source.get("priority", "primary") != "explicit"]
    if by_itself and not any(source.get("priority", "primary") == "primary" for source in asked):
        asked.append({"name": "PyPI"})
    others = [one for one in asked if not same_place(_url(one, by_itself), settings.index_url)]
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
        use = f"Use {settings.poetry}, or `" if settings.poetry and not by_itself else "`"
        yield fail(
            CHECK,
            path,
            f"The project {path} does not name the company's index, so Poetry goes elsewhere.",
            f"{use}poetry source add --priority=primary company {settings.simple_url}`, then `poetry lock`.",
        )
    elif not others:
        yield ok(CHECK, path, settings.simple_url)


def _url(source: Table, by_itself: str) -> str:
    return str(source.get("url") or (by_itself if str(source.get("name", "")).lower() == "pypi" else ""))
