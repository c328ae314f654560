"""Whether what the gateway would serve is what the rows say, in each of its forms."""

import contextlib
import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from conda_package_streaming.package_streaming import zstd
from wheelhouse.errors import Damaged, NotFound
from wheelhouse.index import queries
from wheelhouse.index.fetching import Fetcher
from wheelhouse.index.opening import open_index
from wheelhouse.index.transaction import Index
from wheelhouse.store.base import blob
from wheelhouse.store.partial_site import PartialSite

_LINK = re.compile(r'<a href="([^"#]+)')


def disagreements(root: Path) -> list[str]:
    """Sentences; none if everything is right. Nothing may be under way, and nothing is left dirty."""
    index = open_index(root)
    with index.database.read() as connection:
        projects = {name: queries.files(connection, name) for name in queries.projects(connection)}
        packages = {channel: queries.packages(connection, channel) for channel in queries.channels(connection)}
    listed = {name: {one.file: one for one in files.values() if one.is_listed} for name, files in projects.items()}
    listed = {name: files for name, files in listed.items() if files}
    return [*pages(root, listed), *_files(index, root, listed), *_channels(index, root, packages)]


def pages(root: Path, listed: dict) -> Iterator[str]:
    """What is wrong in the pages of projects, given the rows of the files that they list."""
    there = {path.name for path in (root / "simple").iterdir() if path.is_dir()}
    for name in there ^ listed.keys():
        yield f"{name} has pages and no files, or files and no pages"
    if listed or (root / "simple/index.json").exists():
        yield from _same("the list of projects", _of_pages(root / "simple", _projects_of), set(listed))
    for name in there & listed.keys():
        expected = {(one.file, one.sha256, one.yanked is not None) for one in listed[name].values()}
        yield from _same(name, _of_pages(root / "simple" / name, _files_of), expected)


def _of_pages(directory: Path, read: object) -> Iterator[tuple[str, set]]:
    for form in ("index.json", "index.html"):
        plain = (directory / form).read_bytes()
        packed = gzip.decompress((directory / f"{form}.gz").read_bytes())
        yield form, read(form, plain.decode())
        yield f"{form}.gz", read(form, packed.decode())


def _projects_of(form: str, text: str) -> set[str]:
    if form.endswith(".json"):
        return {one["name"] for one in json.loads(text)["projects"]}
    return {link.strip("/") for link in _LINK.findall(text)}


def _files_of(form: str, text: str) -> set[tuple[str, str, bool]]:
    if form.endswith(".json"):
        return {
            (one["filename"], one["hashes"]["sha256"], one.get("yanked", False) is not False)
            for one in json.loads(text)["files"]
        }
    anchors = re.findall(r'<a href="([^"]+)#sha256=([0-9a-f]+)"([^>]*)>', text)
    return {(unquote(url).rpartition("/")[2], digest, "data-yanked" in more) for url, digest, more in anchors}


def _files(index: Index, root: Path, listed: dict) -> Iterator[str]:
    there = {str(path.relative_to(root / "packages")) for path in (root / "packages").glob("*/*")}
    expected = {}
    for name, files in listed.items():
        for one in files.values():
            expected[f"{name}/{one.file}"] = one.sha256
            if one.metadata_sha256:
                expected[f"{name}/{one.file}.metadata"] = one.metadata_sha256
    for name in sorted(there - expected.keys()):
        yield f"packages/{name} is there and should not be"
    for name, sha256 in sorted(expected.items()):
        if digest(index, root / "packages" / name, sha256) != sha256:
            yield f"packages/{name} is not there, or has other contents"


def _channels(index: Index, root: Path, packages: dict) -> Iterator[str]:
    for channel, known in packages.items():
        for directory in sorted((root / "conda" / channel).iterdir()):
            of_subdir = {one.file: one for one in known.values() if one.subdir == directory.name}
            expected = {one.file: one.record for one in of_subdir.values() if one.is_listed}
            plain = (directory / "repodata.json").read_bytes()
            forms = {
                "repodata.json": plain,
                "repodata.json.gz": gzip.decompress((directory / "repodata.json.gz").read_bytes()),
                "repodata.json.zst": zstd.ZstdDecompressor().decompress((directory / "repodata.json.zst").read_bytes()),
            }
            for form, content in forms.items():
                raw = json.loads(content)
                if {**raw["packages"], **raw["packages.conda"]} != expected:
                    yield f"{form} of {channel}/{directory.name} lists something else"
            for one in of_subdir.values():
                path = directory / one.file
                if not one.missing and digest(index, path, one.sha256) != one.sha256:
                    yield f"{path} is not what was published"


def _same(what: str, forms: Iterator[tuple[str, set]], expected: set) -> Iterator[str]:
    for form, found in forms:
        if found != expected:
            yield f"{form} of {what}: {sorted(found ^ expected)}"


def digest(index: Index, path: Path, sha256: str) -> str:
    """The SHA-256 of what the gateway serves at a path: where a server keeps the bytes, it may have to be fetched."""
    if path.is_file() or not index.site.is_partial:
        return _sha256(path)
    with contextlib.suppress(NotFound), index.store.open(blob(sha256)) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
    return ""


def content(root: Path, path: str) -> bytes | None:
    """What the gateway serves at a path below the shelf, which it has fetched where that is its way; None: nothing."""
    if not os.path.lexists(root / path):
        index = open_index(root)
        try:
            if isinstance(index.site, PartialSite):
                with contextlib.suppress(NotFound, Damaged):
                    Fetcher(index, index.site).fetch(path)
        finally:
            index.database.close()
    return (root / path).read_bytes() if (root / path).is_file() else None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
