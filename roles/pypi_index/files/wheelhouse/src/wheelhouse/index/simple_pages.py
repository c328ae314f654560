"""The pages of the simple index, of a project and of all projects: pure functions of rows.

They are the very bytes that simple-repository's serialisers make, and a test holds them to that. These take time in
which a project of some thousand files could not be published to as often as it is.
"""

import html
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote

API_VERSION = "1.1"
HTML, JSON = "index.html", "index.json"
"""Names of the pages."""

_HTML_HEAD = """<!DOCTYPE html>
    <html>
    <head>
        <meta name="pypi:repository-version" content="{version}">
        <title>{title}</title>
    </head>
    <body>
{heading}"""
_HTML_FOOT = "</body>\n</html>"


class Listed(Protocol):
    """What a page says of a file."""

    @property
    def file(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def version_key(self) -> bytes: ...

    @property
    def size(self) -> int: ...

    @property
    def sha256(self) -> str: ...

    @property
    def metadata_sha256(self) -> str | None: ...

    @property
    def requires_python(self) -> str | None: ...

    @property
    def yanked(self) -> str | None:
        """The reason, "" for none; None if it is not yanked."""

    @property
    def at(self) -> str:
        """When it was published, as `events.written` has it."""

    @property
    def uploaded(self) -> str | None: ...


def project_pages(project: str, files: Sequence[Listed]) -> dict[str, bytes]:
    """The pages of a project with these files, which are in the order of their versions and names."""
    listed: list[str] = []
    links: list[str] = []
    versions: dict[bytes, str] = {}
    for file in files:
        name = file.file
        versions.setdefault(file.version_key, file.version)
        described = f'{{"filename": "{name}", "url": "../../packages/{project}/{quote(name)}"'
        link = f'<a href="../../packages/{project}/{quote(name)}#sha256={file.sha256}"'
        described += f', "hashes": {{"sha256": "{file.sha256}"}}'
        if file.requires_python is not None:
            as_json, as_html = _texts(file.requires_python)
            described += f', "requires-python": {as_json}'
            if file.requires_python:
                link += f' data-requires-python="{as_html}"'
        if file.metadata_sha256:
            described += f', "core-metadata": {{"sha256": "{file.metadata_sha256}"}}'
            link += f' data-core-metadata="sha256={file.metadata_sha256}"'
        if file.yanked is not None:
            as_json, as_html = _texts(file.yanked)
            described += f', "yanked": {as_json if file.yanked else "true"}'
            link += f' data-yanked="{as_html}"'
        listed.append(f'{described}, "size": {file.size}, "upload-time": "{(file.uploaded or file.at)[:19]}Z"}}')
        links.append(f"{link}>{name}</a><br/>\n")
    head = _HTML_HEAD.format(
        version=API_VERSION, title=f"Links for {project}", heading=f"    <h1>Links for {project}</h1>\n"
    )
    beginning = f'{{"meta": {{"api-version": "{API_VERSION}"}}, "name": "{project}", "files": ['
    return {
        HTML: f"{head}{''.join(links)}{_HTML_FOOT}".encode(),
        JSON: f'{beginning}{", ".join(listed)}], "versions": {json.dumps(list(versions.values()))}}}'.encode(),
    }


def list_pages(projects: Iterable[str]) -> dict[str, bytes]:
    """The pages that list all projects, by their normalised names in order."""
    projects = list(projects)
    head = _HTML_HEAD.format(version=API_VERSION, title="Simple index", heading="")
    links = "".join(f'<a href="{name}/">{name}</a><br/>\n' for name in projects)
    listed = ", ".join(f'{{"name": "{name}"}}' for name in projects)
    return {
        HTML: f"{head}{links}{_HTML_FOOT}".encode(),
        JSON: f'{{"meta": {{"api-version": "{API_VERSION}"}}, "projects": [{listed}]}}'.encode(),
    }


@lru_cache(4096)
def _texts(text: str) -> tuple[str, str]:
    """A text in JSON, and in an attribute of HTML. Files have most of theirs in common."""
    return json.dumps(text), html.escape(text)
