"""A project's page on a public index: fetched and read, without trust in anything on it, and written for our clients.

simple-repository reads and writes pages.
"""

import html
import json
import logging
import re
import time
from dataclasses import dataclass, replace
from typing import cast
from urllib.parse import quote, unquote, urljoin, urlsplit

import httpx
from packaging.utils import canonicalize_name
from packaging.version import Version
from simple_repository.content_negotiation import Format
from simple_repository.model import File, Meta, ProjectDetail
from simple_repository.parser import parse_html_project_page, parse_json_project_page
from simple_repository.serializer import serialize

from wheelhouse.errors import Unreachable
from wheelhouse.formats.distribution import MAX_NAME, SAFE_NAME
from wheelhouse.upstream.http_client import get

log = logging.getLogger(__name__)

MAX_PAGE = 64 * 2**20
"""Bytes, unpacked."""
PAGE_TIME = 30.0
"""Seconds a page may take to arrive."""
METADATA = ".metadata"
Files = dict[str, File]
"""The files of one project, by file name."""
_ACCEPTED = f"{Format.JSON_V1.value}, {Format.HTML_V1.value};q=0.2, {Format.HTML_LEGACY.value};q=0.01"
_NOT_FOUND = (404, 410)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ListedFile(File):
    """A file with what simple-repository does not know yet."""

    provenance: str | None = None
    """The address of its provenance (PEP 740), which has a scheme that is as safe as the page's."""


def provenance_of(file: File) -> str | None:
    """The address of a file's provenance; None if its page names none."""
    return file.provenance if isinstance(file, ListedFile) else None


def fetch(client: httpx.Client, url: str, project: str) -> Files | None:
    """The files on an upstream page; None if there is no such project. Raises `Unreachable`."""
    try:
        with get(client, url, {"Accept": _ACCEPTED}) as response:
            hops = (*response.history, response)
            if url.startswith("https:") and any(hop.url.scheme != "https" for hop in hops):
                raise Unreachable("it redirects to an address that is not encrypted")
            if response.status_code in _NOT_FOUND:
                return None
            if response.status_code != 200:
                raise Unreachable(f"it answers {response.status_code}")
            body = _read_page(response)
            base, content_type = str(response.url), response.headers.get("Content-Type", "")
        return _parse(body, content_type, base, project)
    except Unreachable as error:
        log.warning("The page of %s cannot be had from upstream: %s.", project, error)
        raise


def _read_page(response: httpx.Response) -> bytes:
    body = bytearray()
    give_up = time.monotonic() + PAGE_TIME
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MAX_PAGE:
            raise Unreachable(f"its page is bigger than {MAX_PAGE} bytes")
        if time.monotonic() > give_up:
            raise Unreachable(f"its page takes longer than {PAGE_TIME:g} s")
    return bytes(body)


def _parse(body: bytes, content_type: str, base: str, project: str) -> Files:
    """The files on a page in JSON or HTML; raises `Unreachable`."""
    try:
        if Format.JSON_V1.value in content_type:
            text = body.decode()
            page = parse_json_project_page(text)
            attested = _attested(text) if '"provenance"' in text else {}
        elif Format.HTML_LEGACY.value in content_type or Format.HTML_V1.value in content_type:
            page, attested = parse_html_project_page(body.decode(), project), {}
        else:
            raise Unreachable("its page is neither JSON nor HTML")
        if canonicalize_name(page.name) != project:
            raise Unreachable("its page is that of another project")
        files = [_checked(file, base, attested.get(file.filename)) for file in page.files]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unreachable("its page cannot be read") from None
    return {file.filename: file for file in files if file}


def _attested(text: str) -> dict[str, str]:
    """File name -> the address of its provenance, as a page in JSON has them; raises what a wrong page raises."""
    found = ((one["filename"], one.get("provenance")) for one in json.loads(text)["files"])
    return {name: url for name, url in found if isinstance(url, str) and url}


def _checked(file: File, base: str, provenance: str | None = None) -> File | None:
    """A file with nothing about it that is not what it should be; None if there is no using it."""
    # The parser quotes addresses once more than they were.
    url = urljoin(base, unquote(file.url))
    name = file.filename
    if not SAFE_NAME.fullmatch(name) or len(name) + len(METADATA) > MAX_NAME or name.endswith(METADATA):
        return None
    if urlsplit(url).scheme not in ("http", "https"):
        return None
    attested = urljoin(base, provenance) if provenance else ""
    is_safe = urlsplit(attested).scheme in ("https", urlsplit(base).scheme)
    return ListedFile(
        filename=name,
        url=url,
        hashes=_sha256(file.hashes) or {},
        requires_python=file.requires_python if isinstance(file.requires_python, str) else None,
        dist_info_metadata=_sha256(file.dist_info_metadata),
        yanked=file.yanked if isinstance(file.yanked, (str, bool)) else None,
        size=file.size if isinstance(file.size, int) and file.size >= 0 else None,
        upload_time=file.upload_time,
        provenance=attested if attested and is_safe else None,
    )


def _sha256(hashes: object) -> dict[str, str] | None:
    """Only the SHA-256 of a page's hashes; None if there is none."""
    digest = hashes.get("sha256") if isinstance(hashes, dict) else None
    if isinstance(digest, str) and _SHA256.fullmatch(digest.lower()):
        return {"sha256": digest.lower()}
    return None


def rendered(project: str, files: list[File], form: Format, *, direct: bool) -> bytes:
    """The page for our clients, as HTML or JSON; they get the files from us unless it is `direct`."""
    page = _detail(project, files, direct=direct)
    if form is not Format.JSON_V1:
        # simple-repository puts the reason into the HTML as it is
        page = replace(page, files=tuple(_escaped(file) for file in page.files))
    return serialize(page, form).encode()


def _escaped(file: File) -> File:
    return replace(file, yanked=html.escape(file.yanked)) if isinstance(file.yanked, str) else file


def _detail(project: str, files: list[File], *, direct: bool) -> ProjectDetail:
    api_version = "1.1" if all(file.size is not None for file in files) else "1.0"
    ours = tuple(
        file if direct else replace(file, url=f"../../cached/{project}/{quote(file.filename)}") for file in files
    )
    detail = ProjectDetail(Meta(api_version), project, ours)
    if detail.versions is None:
        return detail
    # A tuple, because the order of a set changes from process to process.
    return replace(detail, versions=cast("frozenset[str]", tuple(sorted(detail.versions, key=Version))))
