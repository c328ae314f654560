"""The pages of the simple index: what the journal's events about a project add up to.

A project's `index.json` is also the state that the next event is applied to, so publishing one file costs what its own
project's page costs, however long the journal is.
"""

import html
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast
from urllib.parse import quote

from packaging.version import Version
from simple_repository.content_negotiation import Format
from simple_repository.model import File, Meta, ProjectDetail, ProjectList, ProjectListElement
from simple_repository.parser import parse_json_project_page
from simple_repository.serializer import serialize

from wheelhouse.formats.distribution import BadDistribution, parse_filename
from wheelhouse.index.events import DATE, PUBLISH, REMOVE, UNYANK, YANK, Event
from wheelhouse.store.local import Shelf

API_VERSION = "1.1"

_USUAL = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9_]*-[0-9]+(\.[0-9]+)*((a|b|rc|\.post|\.dev)[0-9]+)?(-[a-z0-9_]+-[a-z0-9_]+-[a-z0-9_]+\.whl|\.tar\.gz)"
)
Files = dict[str, File]
"""The files of one project, by file name."""


def apply(files: Files, event: Event) -> None:
    """Change `files` as `event` says."""
    name = event.file
    if event.event == PUBLISH and name:
        if not _is_a_name(name):
            return  # a line that somebody wrote by hand
        files[name] = File(
            filename=name,
            url=_url(event.project or "", name),
            hashes={"sha256": event.sha256 or ""},
            requires_python=event.requires_python,
            dist_info_metadata={"sha256": event.metadata_sha256} if event.metadata_sha256 else None,
            size=event.size,
            upload_time=_shown(event.offered_at),
        )
    elif name in files:
        if event.event == YANK:
            files[name] = replace(files[name], yanked=event.reason or True)
        elif event.event == UNYANK:
            files[name] = replace(files[name], yanked=None)
        elif event.event == DATE:
            files[name] = replace(files[name], upload_time=_shown(event.offered_at))
        elif event.event == REMOVE:
            del files[name]


def load(shelf: Shelf, project: str) -> Files | None:
    """The files a project's page lists; None if there is no page that can be read."""
    try:
        page = parse_json_project_page((shelf.simple / project / "index.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    # The parser quotes addresses once more than they were.
    return {file.filename: replace(file, url=_url(project, file.filename)) for file in page.files}


def write(shelf: Shelf, project: str, files: Files, *, durable: bool = True) -> bool:
    """Write a project's pages, or remove them if nothing is left; False if they were like that already.

    The caller holds the project's lock, and writes the root pages if the project is new or gone.
    """
    directory = shelf.simple / project
    if not files:
        existed = directory.is_dir()
        if existed:
            shelf.remove_pages(project)
        return existed
    return _write_both(shelf, project, _detail(project, files), durable=durable)


def announce(shelf: Shelf, project: str) -> None:
    """Make room for the pages of a new project, and list it among all projects."""
    shelf.make_project(project)
    write_root(shelf)


def write_root(shelf: Shelf, *, durable: bool = True) -> bool:
    """Write the list of all projects; False if it was like that already."""
    with shelf.locked_root():
        elements = tuple(ProjectListElement(name) for name in shelf.projects())
        # A tuple, because the serialisers keep the order they get and that of a set changes from process to process.
        projects = ProjectList(Meta(API_VERSION), cast("frozenset[ProjectListElement]", elements))
        return _write_both(shelf, ".", projects, durable=durable)


def rendered(page: ProjectDetail | ProjectList, form: Format) -> bytes:
    """The page as HTML or JSON."""
    if isinstance(page, ProjectDetail) and form is not Format.JSON_V1:
        # simple-repository puts the reason into the HTML as it is
        page = replace(page, files=tuple(_escaped(file) for file in page.files))
    return serialize(page, form).encode()


def _write_both(shelf: Shelf, name: str, page: ProjectDetail | ProjectList, *, durable: bool) -> bool:
    directory = shelf.simple / name
    changed = shelf.write_page(directory, "index.html", rendered(page, Format.HTML_V1), durable=durable)
    # Last, because it is the state: what it lists, both pages list.
    return shelf.write_page(directory, "index.json", rendered(page, Format.JSON_V1), durable=durable) | changed


def _detail(project: str, files: Files) -> ProjectDetail:
    parsed = {name: parse_filename(name) for name in files}
    ordered = sorted(files, key=lambda name: (parsed[name].version, name))
    versions: Iterable[Version] = sorted({parsed[name].version for name in files})
    return ProjectDetail(
        meta=Meta(API_VERSION),
        name=project,
        files=tuple(files[name] for name in ordered),
        # A tuple for the same reason as in `write_root`.
        versions=cast("frozenset[str]", tuple(str(version) for version in versions)),
    )


def _shown(at: datetime) -> datetime:
    """In whole seconds, as the page shows it; simple-repository's times are naive and in UTC."""
    return at.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def _is_a_name(filename: str) -> bool:
    if _USUAL.fullmatch(filename):  # spares the parsing of nearly all
        return True
    try:
        return bool(parse_filename(filename))
    except BadDistribution:
        return False


def _escaped(file: File) -> File:
    return replace(file, yanked=html.escape(file.yanked)) if isinstance(file.yanked, str) else file


def _url(project: str, filename: str) -> str:
    """Relative to the project's page."""
    return f"../../packages/{project}/{quote(filename)}"
