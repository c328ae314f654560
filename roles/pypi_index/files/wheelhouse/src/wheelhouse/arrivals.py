"""Files that were copied into the shelf: they may be anybody's, half written, or broken."""

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wheelhouse.shelf import Shelf

QUIET = 2.0
"""Seconds without a change after which a file that is not whole is taken for broken and not for being copied."""
COPIED_IN = "copied in"
"""`Event.origin` of a file that was found on the shelf."""


@dataclass
class Report:
    """What a run found and did."""

    published: list[str] = field(default_factory=list)
    """File names."""
    pages_written: int = 0
    problems: list[str] = field(default_factory=list)
    """Sentences; somebody has to look at each."""

    @contextlib.contextmanager
    def noting_errors(self, path: Path) -> Iterator[None]:
        """Turn an error of the file system into a problem, so that the run goes on with the next file."""
        try:
            yield
        except FileNotFoundError:
            pass  # taken away while we looked
        except OSError as error:
            self.problems.append(
                f"{path} cannot be looked after ({error.strerror}): give it and its directory to the user this runs as."
            )


@contextlib.contextmanager
def received(shelf: Shelf, path: Path) -> Iterator[Path]:
    """The file as one that nobody else writes to: itself if it is ours and at rest, else a copy."""
    status = path.lstat()
    at_rest = time.time() - status.st_mtime >= QUIET
    if at_rest and stat.S_ISREG(status.st_mode) and (status.st_uid, status.st_nlink) == (os.getuid(), 1):
        shelf.receive_in_place(path)
        yield path
    else:
        with path.open("rb") as stream, shelf.receive(stream) as copy:
            yield copy


def is_being_written(path: Path, before: os.stat_result) -> bool:
    """Whether a file that looks broken is half of one that is being copied. `before` is from before it was read."""
    if time.time() - before.st_mtime < QUIET:
        time.sleep(QUIET)
    after = path.stat()
    return (after.st_size, after.st_mtime_ns, after.st_ino) != (before.st_size, before.st_mtime_ns, before.st_ino)
