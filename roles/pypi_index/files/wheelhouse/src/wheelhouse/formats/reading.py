"""What is read out of archives, each in a process of its own: see `confined`.

Whoever asks gets the same types and exceptions as from the modules that do the reading. `run` is what has the archive
read: `confined.run`, or that of a `ReaderPool`.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from wheelhouse.formats import (
    conda_package,
    confined,
    confined_reader,
    description,
    distribution,
    sdist_requirements,
    validation,
)
from wheelhouse.formats.conda_package import BadPackage, Package
from wheelhouse.formats.confined import Refused
from wheelhouse.formats.description import Description, Needed
from wheelhouse.formats.distribution import MAX_METADATA, BadDistribution, Outline, parse_filename
from wheelhouse.formats.validation import Checked, Claims, Origin

SECONDS_TO_DESCRIBE = 5
"""Of processor time: somebody waits for the page."""


Run = Callable[..., Any]


def check(path: Path, filename: str, claims: Claims, origin: Origin, run: Run = confined.run) -> Checked:
    """The distribution at `path`, by every rule. Raises `BadDistribution`, OSError."""
    said = {"name": claims.name, "version": claims.version, "digests": dict(claims.digests)}
    found = _ask(run, "check", path, filename, claims=said, origin=origin.value)
    outline = Outline(parse_filename(filename), found["size"], found["hashes"], found["metadata"].encode("latin-1"))
    return Checked(
        outline,
        found["name"],
        found["summary"],
        found["requires_python"],
        tuple(found["warnings"]),
        tuple(found["record"]),
        tuple(found["scripts"]),
        tuple(found["references"]),
    )


def requirements(path: Path, filename: str) -> list[str] | None:
    """What the source distribution at `path` needs; None if it does not say. Raises `BadDistribution`, OSError."""
    found: list[str] | None = _ask(confined.run, "requirements", path, filename)
    return found


def metadata(path: Path, filename: str) -> bytes:
    """The core metadata of the distribution at `path`. Raises `BadDistribution`, OSError."""
    found: str = _ask(confined.run, "metadata", path, filename)
    return found.encode("latin-1")


def describe(path: Path, filename: str) -> Description:
    """What a file says of itself to people: the core metadata, or the distribution, at `path`.

    `filename` ends with `.metadata` if it is the former. A README that takes too long to render is left as it is.
    Raises `BadDistribution`, OSError.
    """
    for rendered in (True, False):
        try:
            found = confined.run("describe", path, filename, rendered=rendered)
        except Refused as error:
            refused = error
            continue
        needed = tuple(Needed(**one) for one in found["requires"])
        links = tuple((label, address) for label, address in found["links"])
        return Description(**{**found, "requires": needed, "links": links})
    raise BadDistribution(str(refused)) from refused


def package(path: Path, filename: str, subdir: str | None, run: Run = confined.run) -> Package:
    """The conda package at `path`, see `conda_package.read`. Raises `BadPackage`, OSError."""
    try:
        found = run("package", path, filename, subdir=subdir)
    except Refused as error:
        raise BadPackage(str(error)) from error
    inside = tuple((name, version) for name, version in found["inside"])
    return Package(found["record"], inside, tuple(found["scripts"]))


def _ask(run: Run, task: str, path: Path, filename: str, **arguments: Any) -> Any:
    parse_filename(filename)  # which costs nothing
    try:
        return run(task, path, filename, **arguments)
    except Refused as error:
        raise BadDistribution(str(error)) from error


# what the readers do


def _check(stream: IO[bytes], filename: str, claims: dict[str, Any], origin: str) -> dict[str, Any]:
    checked = validation.check(distribution.read_open(stream, filename), Claims(**claims), Origin(origin))
    return {
        "size": checked.distribution.size,
        "hashes": dict(checked.distribution.hashes),
        "metadata": checked.distribution.metadata.decode("latin-1"),
        "name": checked.name,
        "summary": checked.summary,
        "requires_python": checked.requires_python,
        "warnings": checked.warnings,
        "record": checked.record,
        "scripts": checked.scripts,
        "references": checked.references,
    }


def _requirements(stream: IO[bytes], filename: str) -> list[str] | None:
    return sdist_requirements.requirements(distribution.read_open(stream, filename))


def _metadata(stream: IO[bytes], filename: str) -> str:
    return distribution.read_open(stream, filename).metadata.decode("latin-1")


def _describe(stream: IO[bytes], filename: str, *, rendered: bool) -> dict[str, Any]:
    confined_reader.hurry(SECONDS_TO_DESCRIBE)
    if filename.endswith(".metadata"):
        metadata = stream.read(MAX_METADATA)
    else:
        metadata = distribution.read_open(stream, filename).metadata
    return asdict(description.describe(metadata, rendered=rendered))


def _package(stream: IO[bytes], filename: str, subdir: str | None) -> dict[str, Any]:
    found = conda_package.read_open(stream, filename, subdir)
    return {"record": found.record, "inside": found.inside, "scripts": found.scripts}


_TASKS: Mapping[str, Callable[..., Any]] = {
    "check": _check,
    "requirements": _requirements,
    "metadata": _metadata,
    "describe": _describe,
    "package": _package,
}


def serve(descriptor: int) -> None:
    """Be the helper that forks readers."""
    description.warm_up()
    confined_reader.serve(descriptor, _TASKS, (BadDistribution, BadPackage))
