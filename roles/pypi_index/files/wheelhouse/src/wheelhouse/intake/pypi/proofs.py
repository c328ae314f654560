"""The provenance of files upstream (PEP 740): fetched, looked at, and kept with what is let in."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
from packaging.version import Version
from simple_repository.model import File

from wheelhouse.errors import Unreachable
from wheelhouse.formats import attestation
from wheelhouse.formats.distribution import BadDistribution, parse_filename
from wheelhouse.upstream import http_client
from wheelhouse.upstream.page import provenance_of

AT_ONCE = 6
MAX_SIZE = 2**20
"""Bytes of one."""
_HEADERS = {"Accept": f"{attestation.CONTENT_TYPE}, application/json"}


@dataclass(frozen=True)
class Proof:
    """What came of the provenance of a file: one of these."""

    document: str | None = None
    """As upstream has it, and about this file."""
    disproven: str | None = None
    """A sentence: it is about something else, or nothing at all."""
    unproven: str | None = None
    """A sentence: it could not be had."""


def fetch(files: Iterable[File], client: httpx.Client) -> dict[str, Proof]:
    """File name -> the proof, of those files that upstream names provenance of."""
    named = [file for file in files if provenance_of(file) and file.hashes.get("sha256")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        proofs = pool.map(lambda file: _fetch(file, client), named)
        return {file.filename: proof for file, proof in zip(named, proofs, strict=True)}


def _fetch(file: File, client: httpx.Client) -> Proof:
    try:
        text = _text(provenance_of(file) or "", client)
        attestation.read_provenance(text, file.filename, file.hashes["sha256"])
    except Unreachable as error:
        return Proof(unproven=f"Upstream has provenance of {file.filename}, and it cannot be had: {error}.")
    except BadDistribution as error:
        return Proof(disproven=str(error))
    return Proof(text)


def _text(url: str, client: httpx.Client) -> str:
    """Raises `Unreachable`."""
    with http_client.get(client, url, _HEADERS) as response:
        if url.startswith("https:") and any(hop.url.scheme != "https" for hop in (*response.history, response)):
            raise Unreachable("it redirects to an address that is not encrypted")
        if response.status_code != 200:
            raise Unreachable(f"it answers {response.status_code}")
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > MAX_SIZE:
                raise Unreachable(f"it has more than {MAX_SIZE} bytes")
    return body.decode(errors="replace")


def missing(version: Version, coming: Iterable[File], listed: Mapping[str, File]) -> str | None:
    """A sentence on a file to come without provenance, of a project whose earlier releases have it; or None.

    `listed` is all that upstream has of the project. Earlier is what was uploaded before, or has a lower version where
    that is not known.
    """
    bare = sorted(file.filename for file in coming if not provenance_of(file))
    if not bare:
        return None
    times = [file.upload_time for file in coming if file.upload_time]
    began = min(times) if times else None
    earlier: set[Version] = set()
    for name, file in listed.items():
        if not provenance_of(file):
            continue
        try:
            other = parse_filename(name).version
        except BadDistribution:
            continue
        is_before = file.upload_time < began if file.upload_time and began else other < version
        if other != version and is_before:
            earlier.add(other)
    if not earlier:
        return None
    return (
        f"{bare[0]} has no provenance, and {max(earlier)} has: it was published in another way than before, perhaps by"
        " somebody else."
    )
