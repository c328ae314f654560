"""The pages of the simple index, of a project and of all projects: pure functions of rows.

simple-repository's serialisers make them. What they say of a file is made once, when its row changes, and kept in the
row: a page is put together from these pieces, so that a project of some thousand files can be published to as quickly
as any other. A test holds the whole to what the serialisers make of all files at once.
"""

import html
import json
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from typing import cast

from simple_repository.content_negotiation import Format
from simple_repository.model import File, Meta, ProjectDetail, ProjectList
from simple_repository.serializer import serialize

from wheelhouse.index.project_status import Status

API_VERSION = "1.1"
JSON_API_VERSION = "1.4"
"""HTML stays as it was when PEP 833 froze it; what came later is in JSON alone."""
HTML, JSON = "index.html", "index.json"
"""Names of the pages."""
MADE_BY = f"2 {version('simple-repository')}"
"""Another text when the pieces are made in another way."""

Pieces = tuple[str, str]
"""What the HTML page and the JSON page say of a file."""
_NOBODY = "no-such-project"


def pieces(file: File, provenance: str | None = None) -> Pieces:
    """What the pages say of a file, with the address of its provenance (PEP 740) if it has one."""
    # simple-repository puts the reason into the HTML as it is
    shown = replace(file, yanked=html.escape(file.yanked)) if isinstance(file.yanked, str) else file
    as_html = serialize(_page(_NOBODY, (shown,)), Format.HTML_V1)
    as_json = _between(serialize(_page(_NOBODY, (file,), api=JSON_API_VERSION), Format.JSON_V1), _EMPTY_JSON)
    if provenance is not None:  # simple-repository does not know it yet
        as_json = json.dumps({**json.loads(as_json), "provenance": provenance})
    return _between(as_html, _EMPTY_HTML), as_json


def project_pages(
    project: str, files: Iterable[Pieces], versions: Iterable[str], status: Status | None = None
) -> dict[str, bytes]:
    """The pages of a project whose files have these pieces, in the order of their versions and names.

    Of a project that is not active, the page in JSON says so (PEP 792).
    """
    listed = list(files)
    as_html = serialize(_page(project), Format.HTML_V1)
    as_json = serialize(_page(project, versions=versions, api=JSON_API_VERSION), Format.JSON_V1)
    if status:  # simple-repository does not know it yet
        told = {"status": status.status} | ({"reason": status.reason} if status.reason else {})
        as_json = json.dumps({**json.loads(as_json), "project-status": told})
    return {
        HTML: _around(as_html, _HTML_TAIL, "".join([piece for piece, _ in listed])).encode(),
        JSON: _around(as_json, _JSON_TAIL, ", ".join([piece for _, piece in listed])).encode(),
    }


def list_pages(projects: Iterable[str]) -> dict[str, bytes]:
    """The pages that list all projects, by their normalised names in order."""
    names = list(projects)
    # The serialisers take as long as all the rest for names of which nothing needs to be escaped.
    as_html = serialize(ProjectList(Meta(API_VERSION), frozenset()), Format.HTML_V1)
    as_json = serialize(ProjectList(Meta(JSON_API_VERSION), frozenset()), Format.JSON_V1)
    links = "".join([f'<a href="{name}/">{name}</a><br/>\n' for name in names])
    listed = ", ".join([f'{{"name": "{name}"}}' for name in names])
    return {
        HTML: _around(as_html, _HTML_TAIL, links).encode(),
        JSON: _around(as_json, "]}", listed).encode(),
    }


def _page(
    project: str, files: tuple[File, ...] = (), versions: Iterable[str] = (), api: str = API_VERSION
) -> ProjectDetail:
    # A tuple, because the serialisers keep the order they get, and that of a set changes from process to process.
    ordered = cast("frozenset[str]", tuple(versions))
    return ProjectDetail(Meta(api), project, files, ordered)


_HTML_TAIL = "</body>"
_JSON_TAIL = '], "versions": '
_EMPTY_HTML = serialize(_page(_NOBODY), Format.HTML_V1).partition(_HTML_TAIL)
_EMPTY_JSON = serialize(_page(_NOBODY, api=JSON_API_VERSION), Format.JSON_V1).partition(_JSON_TAIL)


def _between(page: str, empty: tuple[str, str, str]) -> str:
    """What a page with a file has that the empty one has not."""
    head, *tail = empty
    return page[len(head) : -len("".join(tail))]


def _around(empty: str, tail: str, content: str) -> str:
    """An empty page with content before what it ends with, from `tail` on."""
    end = empty.rindex(tail)
    return f"{empty[:end]}{content}{empty[end:]}"
