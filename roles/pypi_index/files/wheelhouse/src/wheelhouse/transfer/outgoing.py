"""Bundles that are written, and the ledger: the manifests of those that were, beside the key.

A bundle is made under another name, signed, synced, renamed, and only then in the ledger. A kill before the rename
leaves what the next run removes; one behind it leaves a bundle of ours that the next run takes into the ledger.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import msgspec
from packaging.utils import InvalidName, canonicalize_name

from wheelhouse.errors import Damaged, Full, NotFound, WheelhouseError
from wheelhouse.index import events
from wheelhouse.index.transaction import Index
from wheelhouse.progress import progress
from wheelhouse.store.base import blob
from wheelhouse.store.staging import make_directory, sync_directory, sync_disk
from wheelhouse.transfer import bundle, selection, signature
from wheelhouse.transfer.bundle import EXTRA, EXTRAS, FILES, MANIFEST, SIGNATURE, Manifest, Thing
from wheelhouse.transfer.remembered import replace
from wheelhouse.transfer.selection import Selection

REPORTS = ("intake.json", "intake.cdx.json", "lock.toml", "last-run.json")
"""Of the intake; the page is made inside, of these."""
EVENTS, ADVISORIES = "events.jsonl", "advisories.jsonl"
LAST = "LAST"
_PASSING = {EVENTS, "last-run.json"}
"""Attachments that are others each time, and no reason for a bundle."""
_LEAST_PART = 2**20


@dataclass(frozen=True)
class Wanted:
    """What an administrator asked for."""

    directory: Path
    """Where bundles go."""
    since: str = LAST
    """`LAST`, the number of a bundle, or the path of a receipt."""
    internal: tuple[str, ...] = ()
    """Patterns of the company's own projects that go, too."""
    part_size: int | None = None
    """Bytes; None for plain files."""
    extras: Path | None = None
    """A directory with what is no package."""
    advisories: Path | None = None
    """A directory of OSV files, that of the intake's policy."""
    refused_too: bool = False
    """Whether what the receipt says was refused goes once more."""


@dataclass
class Done:
    """What came of it."""

    number: int | None = None
    """Of the bundle; None if there was nothing new."""
    path: Path | None = None
    files: int = 0
    packages: int = 0
    extras: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Start:
    """Behind which bundle the new one comes, and what the inside has or was sent."""

    number: int = 0
    manifest: str | None = None
    has: frozenset[str] = frozenset()
    last_event: int = 0


class Ledger:
    """The manifests of the bundles that were written, by number."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        make_directory(directory, 0o700)

    def numbers(self) -> list[int]:
        """Sorted."""
        return sorted(int(path.stem) for path in self.directory.glob("[0-9]*.json") if path.stem.isdigit())

    def content(self, number: int) -> bytes | None:
        """The manifest of a bundle as it was signed; None if it is not known."""
        with contextlib.suppress(FileNotFoundError):
            return self._path(number).read_bytes()
        return None

    def add(self, number: int, content: bytes) -> None:
        """Those behind it were made for a chain that is given up."""
        replace(self._path(number), content)
        for later in self.numbers():
            if later > number:
                self._path(later).unlink(missing_ok=True)

    def sent(self, number: int) -> frozenset[str]:
        """SHA-256 of everything in the bundles up to this one."""
        found: set[str] = set()
        for one in self.numbers():
            if one <= number and (content := self.content(one)):
                found |= bundle.manifest(content).contents().keys()
        return frozenset(found)

    def _path(self, number: int) -> Path:
        return self.directory / f"{number:06}.json"


def export(index: Index, state: Path, wanted: Wanted) -> Done:
    """Write a bundle; `state` has the key and the ledger. Raises `WheelhouseError`, OSError, and then there is none."""
    key = state / "key"
    signature.make_key(key)
    ledger = Ledger(state / "ledger")
    if not wanted.directory.is_dir():
        raise NotFound(f"{wanted.directory} is no directory: mount the medium, or make it.")
    _tidy(wanted.directory)
    if wanted.since == LAST:
        _adopt(wanted.directory, ledger, state)
    start = _start(ledger, wanted)
    found = selection.select(index, wanted.internal, start.last_event)
    content: dict[str, Callable[[], IO[bytes]]] = {}
    manifest = _manifest(index, start, found, wanted, content)
    done = Done(problems=list(found.missing))
    if wanted.since == LAST and not _is_news(manifest, ledger.content(start.number)):
        return done
    target = wanted.directory / bundle.directory_name(manifest.number)
    if target.exists() or target.is_symlink():
        raise WheelhouseError(f"{target} is there already: move it away, since a bundle of this number is to be made.")
    signed = _write(manifest, content, wanted, key, target)
    ledger.add(manifest.number, signed)
    done.number, done.path = manifest.number, target
    done.files, done.packages, done.extras = len(manifest.files), len(manifest.packages), len(manifest.extras)
    done.bytes = sum(manifest.contents().values())
    return done


def _tidy(directory: Path) -> None:
    """Remove what a killed run left."""
    for path in directory.glob(".wheelhouse-*.part"):
        shutil.rmtree(path)


def _adopt(directory: Path, ledger: Ledger, state: Path) -> None:
    """Take the bundle into the ledger that a run made which was killed right behind that."""
    last = max(ledger.numbers(), default=0)
    path = directory / bundle.directory_name(last + 1)
    if not path.is_dir():
        return
    signers = state / "key.signers"
    line = f'{signature.SIGNER} namespaces="{signature.NAMESPACE}" {signature.public_key(state / "key")}\n'
    replace(signers, line.encode())
    try:
        content = (path / MANIFEST).read_bytes()
        signature.verify(content, path / SIGNATURE, signers)
        manifest = bundle.manifest(content)
    except (OSError, bundle.BadBundle):
        return  # not ours: whoever makes a bundle of this number is told
    before = ledger.content(last)
    if manifest.number == last + 1 and manifest.previous == (bundle.digest(before) if before else None):
        ledger.add(manifest.number, content)


def _start(ledger: Ledger, wanted: Wanted) -> _Start:
    """Raises `WheelhouseError`."""
    numbers = ledger.numbers()
    if wanted.since == LAST or wanted.since.isdigit():
        number = max(numbers, default=0) if wanted.since == LAST else int(wanted.since)
        if not number:
            return _Start()
        content = ledger.content(number)
        if content is None:
            known = f"there are {numbers[0]} to {numbers[-1]}" if numbers else "none was made yet"
            raise WheelhouseError(f"Bundle {number} is not in the ledger of this index: {known}.")
        return _Start(number, bundle.digest(content), ledger.sent(number), bundle.manifest(content).last_event)
    path = Path(wanted.since)
    try:
        receipt = bundle.receipt(path.read_bytes(), path.name)
    except FileNotFoundError:
        raise WheelhouseError(f"There is no receipt {path}; write LAST, a bundle's number, or a receipt.") from None
    content = ledger.content(receipt.number)
    if content is not None and bundle.digest(content) != receipt.manifest:
        raise WheelhouseError(
            f"{path.name} is about a bundle {receipt.number} that is not the one in the ledger of this index:"
            " it is another site's, or older than a bundle that was made again."
        )
    has = {*receipt.has, *(() if wanted.refused_too else receipt.refused)}
    last_event = bundle.manifest(content).last_event if content else 0
    return _Start(receipt.number, receipt.manifest, frozenset(has), last_event)


def _manifest(
    index: Index, start: _Start, found: Selection, wanted: Wanted, content: dict[str, Callable[[], IO[bytes]]]
) -> Manifest:
    """What is to be in the bundle; `content` comes to know where each of its SHA-256 is."""
    files = [one for one in found.files if one.sha256 not in start.has]
    packages = [one for one in found.packages if one.sha256 not in start.has]
    for sha256 in [one.sha256 for one in files] + [one.sha256 for one in packages]:
        content[sha256] = _opener(index, sha256)
    attachments: list[Thing] = []

    def attach(name: str, text: bytes) -> None:
        thing = Thing(name, len(text), bundle.digest(text))
        attachments.append(thing)
        content[thing.sha256] = lambda: io.BytesIO(text)

    for name in REPORTS:
        with contextlib.suppress(FileNotFoundError):
            attach(name, (index.site.reports / name).read_bytes())
    if found.events:
        attach(EVENTS, "".join(map(events.line, found.events)).encode())
    advisories_of = None
    if wanted.advisories:
        text, advisories_of = _advisories(wanted.advisories, found.distributions)
        if advisories_of:
            attach(ADVISORIES, text)
    extras: list[Thing] = []
    for path in _extras(wanted.extras):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest not in start.has:
            extras.append(Thing(path.name, path.stat().st_size, digest))
            content[digest] = _file_opener(path)
    return Manifest(
        number=start.number + 1,
        previous=start.manifest,
        made=events.now(),
        version=own_version(),
        last_event=found.last_event,
        files=files,
        packages=packages,
        records=found.records,
        yanked=found.yanked,
        withheld=found.withheld,
        denied=found.denied,
        advisories_of=advisories_of,
        attachments=attachments,
        extras=extras,
    )


def own_version() -> str:
    """Of this program."""
    try:
        return version("wheelhouse")
    except PackageNotFoundError:  # from a checkout
        return "unknown"


def _opener(index: Index, sha256: str) -> Callable[[], IO[bytes]]:
    return lambda: index.store.open(blob(sha256))


def _file_opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _extras(directory: Path | None) -> Iterator[Path]:
    """Regular files with a plain name; raises `WheelhouseError` for one that has none."""
    if directory is None or not directory.is_dir():
        return
    for path in sorted(directory.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_symlink() or not path.is_file() or not EXTRA.fullmatch(path.name):
            raise WheelhouseError(
                f"{path.name!a} among the extras is no plain file whose name is made of letters, digits and . _ + -:"
                " rename it, or take it out."
            )
        yield path


def _advisories(directory: Path, projects: set[str]) -> tuple[bytes, str | None]:
    """Those about projects that are on the shelf, one a line, and when the newest of all came."""
    lines: list[bytes] = []
    newest = 0.0
    for path in sorted(directory.rglob("*.json")):
        try:
            entry: Any = json.loads(path.read_bytes())
            names = {canonicalize_name(one["package"]["name"], validate=True) for one in entry.get("affected", ())}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidName):
            raise WheelhouseError(f"{path} is no advisory as OSV writes them: the export leaves none out.") from None
        newest = max(newest, path.stat().st_mtime)
        if names & projects:
            lines.append(json.dumps(entry, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    if not newest:
        return b"", None
    return b"".join(lines), events.written(datetime.fromtimestamp(newest, UTC))


def _is_news(manifest: Manifest, last: bytes | None) -> bool:
    """Whether a bundle says anything that the last one did not."""
    if last is None:
        return True
    before = bundle.manifest(last)
    if manifest.files or manifest.packages or manifest.extras:
        return True

    def said(one: Manifest) -> Any:
        attached = sorted((thing.name, thing.sha256) for thing in one.attachments if thing.name not in _PASSING)
        return one.records, one.yanked, one.withheld, one.denied, attached

    return bool(said(manifest) != said(before))


def _write(
    manifest: Manifest, content: Mapping[str, Callable[[], IO[bytes]]], wanted: Wanted, key: Path, target: Path
) -> bytes:
    """Write it all and give it its name; returns the manifest as it was signed."""
    part = target.with_name(f".{target.name}.part")
    need = sum(manifest.contents().values())
    disk = os.statvfs(wanted.directory)
    if need > disk.f_bavail * disk.f_frsize:
        raise Full(f"The bundle has {need} bytes, and there is less room than that in {wanted.directory}.")
    try:
        part.mkdir()
        part.chmod(0o755)
        if wanted.part_size:
            parts = _write_parts(part, manifest, content, wanted.part_size)
            manifest = msgspec.structs.replace(manifest, parts=parts)
        else:
            _write_files(part, manifest, content)
        signed = bundle.encoded(manifest)
        _write_file(part / MANIFEST, signed)
        _write_file(part / SIGNATURE, signature.sign(signed, key))
        sync_disk(wanted.directory)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    sync_directory(wanted.directory)
    return signed


def _write_files(part: Path, manifest: Manifest, content: Mapping[str, Callable[[], IO[bytes]]]) -> None:
    names = {one.sha256: one.name for one in manifest.extras}
    for directory in (FILES, EXTRAS):
        (part / directory).mkdir()
        (part / directory).chmod(0o755)
    wanted = manifest.contents()
    for sha256, size in progress(sorted(wanted.items()), len(wanted), "export", "file"):
        path = part / EXTRAS / names[sha256] if sha256 in names else part / FILES / sha256
        with path.open("xb") as target, _checked(content[sha256], sha256, size) as stream:
            shutil.copyfileobj(stream, target, 2**20)
        path.chmod(0o644)


def _write_parts(
    part: Path, manifest: Manifest, content: Mapping[str, Callable[[], IO[bytes]]], size: int
) -> list[Thing]:
    """One tar, in pieces of at most `size` bytes, with each file under its SHA-256."""
    pieces = _Pieces(part, size)
    wanted = manifest.contents()
    with tarfile.open(fileobj=pieces, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for sha256, length in progress(sorted(wanted.items()), len(wanted), "export", "file"):
            member = tarfile.TarInfo(sha256)
            member.size, member.mode = length, 0o644
            with _checked(content[sha256], sha256, length) as stream:
                archive.addfile(member, stream)
    return pieces.finish()


class _Pieces:
    """A file to write to that becomes several."""

    def __init__(self, directory: Path, size: int) -> None:
        self._directory = directory
        self._size = size
        self._done: list[Thing] = []
        self._stream: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self._written = 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            if self._stream is None:
                self._stream = (self._directory / self._name).open("xb")
                self._digest, self._written = hashlib.sha256(), 0
            some = view[: self._size - self._written]
            self._stream.write(some)
            self._digest.update(some)
            self._written += len(some)
            view = view[len(some) :]
            if self._written == self._size:
                self._close()
        return len(data)

    def finish(self) -> list[Thing]:
        if self._stream:
            self._close()
        if len(self._done) > 9999:
            raise WheelhouseError("The bundle would have more than 9999 parts: write a greater --part-size.")
        return self._done

    @property
    def _name(self) -> str:
        return f"part-{len(self._done) + 1:04}.tar"

    def _close(self) -> None:
        assert self._stream
        self._stream.close()
        (self._directory / self._name).chmod(0o644)
        self._done.append(Thing(self._name, self._written, self._digest.hexdigest()))
        self._stream = None


@contextlib.contextmanager
def _checked(opened: Callable[[], IO[bytes]], sha256: str, size: int) -> Iterator["_Checked"]:
    with opened() as stream:
        checked = _Checked(stream, size)
        yield checked
    if checked.digest.hexdigest() != sha256 or checked.left:
        raise Damaged(
            f"The bytes {sha256} on the shelf are not what was published: `wheelhouse verify` says of which file."
        )


class _Checked:
    """A stream that is hashed while it is read, up to as many bytes as it should have."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self.left = size
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(min(size, self.left) if size >= 0 else self.left)
        self.left -= len(piece)
        self.digest.update(piece)
        return piece


def _write_file(path: Path, content: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(content)
    path.chmod(0o644)


_SIZE = re.compile(r"([1-9][0-9]{0,9})([KMGT]?)")


def size(text: str) -> int:
    """Bytes that are written as 4G or 700M; raises ValueError."""
    found = _SIZE.fullmatch(text.upper())
    if not found:
        raise ValueError(f"{text!r} is no size; write one such as 700M or 4G")
    number = int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[found[2]]
    if number < _LEAST_PART:
        raise ValueError(f"{text!r} is less than 1M, the least size of a part")
    return number
