"""One change to one project: files, journal and pages together, under the project's lock.

The line in the journal is what counts. An upload that was killed before it has left nothing that anybody is served, and
may be sent again, built anew or not; one that was killed behind it is published, and the next one of the same bytes, or
`reindex`, completes it.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheelhouse.formats.distribution import parse_filename
from wheelhouse.formats.validation import Checked
from wheelhouse.index import simple_pages
from wheelhouse.index.events import DATE, PUBLISH, REMOVE, UNYANK, YANK, Event, Journal, now, written
from wheelhouse.index.file_names import Names
from wheelhouse.index.simple_pages import Files
from wheelhouse.store.local import Shelf


class Conflict(Exception):
    """Another file is there under this name; the text is one sentence for the person who sent it."""


class NotThere(Exception):
    """What is to be changed is not on the shelf; the text is one sentence."""


def publish(
    shelf: Shelf, journal: Journal, names: Names, received: Path, checked: Checked, who: str, origin: str
) -> bool:
    """Publish a received file; False if the same bytes are published already. Raises `Conflict`.

    When this returns the file is on the disk and listed.
    """
    name = checked.distribution.name
    with shelf.locked(name.project):
        page = simple_pages.load(shelf, name.project)
        listed = _recovered(shelf, journal, name.project) if page is None else page
        reject_conflict(shelf, names, checked, listed)
        reject_second_sdist(names, checked)
        is_new = name.filename not in listed
        if is_new:
            event = described(checked, who, origin)
            # Out of sight until it is in the journal: found without that, it would be taken for one that was copied in.
            shelf.stage(received, name.project, name.filename, metadata_beside(checked), event.at.timestamp())
            journal.append([event])
            shelf.unveil(name.project, name.filename)
            simple_pages.apply(listed, event)
        if page is None:  # before it has one, so that whatever has a page is in the list of projects
            simple_pages.announce(shelf, name.project)
        # Even if the file is known: a kill may have come between its event and its page.
        simple_pages.write(shelf, name.project, listed)
    return is_new


def place(shelf: Shelf, received: Path, checked: Checked, who: str, origin: str, *, durable: bool = True) -> Event:
    """Put a received file in its place, and return what the journal is to be told.

    The caller holds the project's lock, and has seen that no other file is there. `durable=False` leaves it to the
    caller to sync everything but the file's contents.
    """
    event = described(checked, who, origin)
    name = checked.distribution.name
    at = event.at.timestamp()
    shelf.place(received, name.project, name.filename, metadata_beside(checked), at, durable=durable)
    return event


def metadata_beside(checked: Checked) -> bytes | None:
    """The core metadata that are served beside the file; only a wheel has some."""
    return checked.distribution.metadata if checked.distribution.name.kind == "wheel" else None


def described(checked: Checked, who: str, origin: str, uploaded: datetime | None = None) -> Event:
    """What the journal is to be told of a file that is published now; `uploaded` is when it was, where it is from."""
    distribution = checked.distribution
    name = distribution.name
    metadata = metadata_beside(checked)
    return Event(
        event=PUBLISH,
        who=who,
        time=now(),
        origin=origin,
        project=name.project,
        version=str(name.version),
        name=checked.name if checked.name != name.project else None,
        summary=checked.summary,
        file=name.filename,
        size=distribution.size,
        sha256=distribution.hashes["sha256"],
        metadata_sha256=hashlib.sha256(metadata).hexdigest() if metadata is not None else None,
        requires_python=checked.requires_python,
        findings=checked.warnings or None,
        uploaded=written(uploaded) if uploaded else None,
    )


def reject_conflict(shelf: Shelf, names: Names, checked: Checked, listed: Files, ignore: Path | None = None) -> None:
    """Raise `Conflict` if another file has, or ever had, this one's name; the same bytes under the same name are none.

    `ignore` is the place where the file itself was found.
    """
    name = checked.distribution.name
    digest = checked.distribution.hashes["sha256"]
    if name.filename in listed:
        if listed[name.filename].hashes.get("sha256") != digest:
            raise Conflict(_already(name.filename))
        return
    if sentence := names_objection(names, name.project, name.filename, digest):
        raise Conflict(sentence)
    for other in names.alike(name):
        if other.identity == name.identity:
            where = "already exists on the shelf" if other.filename in listed else "was published before"
            raise Conflict(
                f"{name.filename} is the same distribution as {other.filename}, which {where}; {_NEVER_REPLACED}"
            )
    target = shelf.package(name.project, name.filename)
    # Not listed: it was copied in and waits for `reindex`.
    if target != ignore and target.exists() and sha256(target) != digest:
        raise Conflict(_already(name.filename))


def names_objection(names: Names, place: str, filename: str, digest: str) -> str | None:
    """Why a file may not have its name, as a sentence: another one was published under it, here or gone since.

    `place` is its project, or its channel and subdir.
    """
    if names.digest(place, filename) in (None, digest):
        return None
    return f"{filename} was published before with other contents; {_NEVER_REPLACED}"


def reject_second_sdist(names: Names, checked: Checked) -> None:
    """Raise `Conflict` if the version has a source distribution of another form.

    Installers choose one of them by rules of their own, and who reviewed the first would get the other. From elsewhere
    both may come, as old releases have them.
    """
    name = checked.distribution.name
    for other in names.alike(name):
        if name.kind == other.kind == "sdist":
            raise Conflict(
                f"{name.filename} is a second source distribution beside {other.filename}, which was published before:"
                " a version has one, so raise the version and build again."
            )


def _listed(shelf: Shelf, journal: Journal, project: str) -> Files:
    """What the project's page lists, or would list if it were there. The caller holds the project's lock."""
    page = simple_pages.load(shelf, project)
    return _recovered(shelf, journal, project) if page is None else page


def _recovered(shelf: Shelf, journal: Journal, project: str) -> Files:
    """What a page that is not there would list."""
    if not shelf.has_project(project):  # nobody has seen it yet, so the long journal need not be read
        return {}
    files = _history(journal, project)
    return {name: file for name, file in files.items() if shelf.package(project, name).exists()}


def _history(journal: Journal, project: str) -> Files:
    """What the journal's events about `project` add up to."""
    files: Files = {}
    for event, _ in journal.read():
        if event.project == project:
            simple_pages.apply(files, event)
    return files


def yank(shelf: Shelf, journal: Journal, project: str, version: str, reason: str, who: str) -> list[str]:
    """Mark a release as one that installers pass over unless it is asked for by its exact version.

    Returns the names of its files; raises `NotThere`.
    """
    return _mark(shelf, journal, YANK, project, version, reason, who)


def unyank(shelf: Shelf, journal: Journal, project: str, version: str, who: str) -> list[str]:
    """Take a yank back. Returns the names of the release's files; raises `NotThere`."""
    return _mark(shelf, journal, UNYANK, project, version, None, who)


def mark(
    shelf: Shelf, journal: Journal, what: str, project: str, names: Iterable[str], reason: str | None, who: str
) -> list[str]:
    """Yank some files of a project, or take that back (`what`). Returns the names of those that are listed."""
    with shelf.locked(project):
        listed = _listed(shelf, journal, project)
        wanted = {name: listed[name] for name in sorted(names) if name in listed}
        _apply(shelf, journal, project, listed, _events(what, wanted, project, reason, who))
    return list(wanted)


def date(shelf: Shelf, journal: Journal, project: str, times: Mapping[str, datetime], who: str) -> None:
    """Make up for it that files from outside were published without the time of their upload there."""
    with shelf.locked(project):
        listed = _listed(shelf, journal, project)
        events = [
            Event(DATE, who, now(), project=project, file=name, uploaded=written(at))
            for name, at in sorted(times.items())
            if name in listed
        ]
        _apply(shelf, journal, project, listed, events)
        for event in events:
            shelf.settle(shelf.package(project, event.file or ""), event.offered_at.timestamp())


def _mark(
    shelf: Shelf, journal: Journal, what: str, project: str, version: str, reason: str | None, who: str
) -> list[str]:
    project = canonicalize_name(project)
    with shelf.locked(project):
        listed = _listed(shelf, journal, project)
        events = _events_about(what, listed, project, version, reason, who)
        _apply(shelf, journal, project, listed, events)
    return [event.file or "" for event in events]


def _apply(shelf: Shelf, journal: Journal, project: str, listed: Files, events: list[Event]) -> None:
    """Write the events down, and the pages that they make of what is listed."""
    journal.append(events)
    for event in events:
        simple_pages.apply(listed, event)
    simple_pages.write(shelf, project, listed)


def remove(shelf: Shelf, journal: Journal, project: str, version: str, reason: str, who: str) -> list[str]:
    """Take a release off the shelf for good. Returns the names of its files; raises `NotThere`."""
    project = canonicalize_name(project)
    with shelf.locked(project):
        listed = _listed(shelf, journal, project)
        # The journal also knows files that have gone missing, and so are listed no more.
        events = _events_about(REMOVE, {**_history(journal, project), **listed}, project, version, reason, who)
        for event in events:
            simple_pages.apply(listed, event)
        simple_pages.write(shelf, project, listed)
        for event in events:
            shelf.discard(project, event.file or "")
        # Last: a file without this event, if a kill comes between, is listed again by `reindex` and not taken for new.
        journal.append(events)
        if not listed:
            simple_pages.write_root(shelf)
    return [event.file or "" for event in events]


def _events_about(what: str, files: Files, project: str, version: str, reason: str | None, who: str) -> list[Event]:
    """One event for each file of the release; raises `NotThere`."""
    try:
        wanted = Version(version)
    except InvalidVersion as error:
        raise NotThere(f"{version!r} is not a version.") from error
    of_release = {name: file for name, file in sorted(files.items()) if parse_filename(name).version == wanted}
    if not of_release:
        raise NotThere(f"{project} {wanted} is not on the shelf.")
    return _events(what, of_release, project, reason, who)


def _events(what: str, files: Files, project: str, reason: str | None, who: str) -> list[Event]:
    time = now()
    return [
        Event(
            event=what,
            who=who,
            time=time,
            project=project,
            version=str(parse_filename(name).version),
            file=name,
            sha256=file.hashes.get("sha256"),
            reason=reason,
        )
        for name, file in files.items()
    ]


_NEVER_REPLACED = "a published file is never replaced: raise the version and build again."


def _already(filename: str) -> str:
    return f"{filename} already exists on the shelf with other contents; {_NEVER_REPLACED}"


def sha256(path: Path) -> str:
    """Of a file, hex; raises OSError, also for a link, and for what is no file."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file")
        return hashlib.file_digest(stream, "sha256").hexdigest()
