"""Which bytes clients were given under the names of public files: `cached-names/<project>` on the shelf.

The cache forgets files, and upstream might have other ones under the same names the next time. Clients and their lock
files do not forget.
"""

import contextlib
import fcntl
import os
from collections.abc import Mapping

from wheelhouse.store.local import Shelf


class Seen:
    """Safe for many processes at once."""

    def __init__(self, shelf: Shelf) -> None:
        self._directory = shelf.root / "cached-names"

    def of(self, project: str) -> Mapping[str, str]:
        """File name, also of metadata -> SHA-256, hex."""
        try:
            lines = (self._directory / project).read_text(encoding="ascii").splitlines()
        except (FileNotFoundError, UnicodeDecodeError):
            return {}
        found: dict[str, str] = {}
        for line in lines:
            digest, _, name = line.partition("  ")
            if len(digest) == 64 and name:
                found.setdefault(name, digest)
        return found

    def note(self, project: str, filename: str, sha256: str) -> None:
        """Remember a file. It counts if nothing is known of its name. Raises OSError."""
        if filename in self.of(project):
            return
        with contextlib.suppress(FileExistsError):
            self._directory.mkdir(mode=0o755)
        descriptor = os.open(self._directory / project, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, f"{sha256}  {filename}\n".encode("ascii"))
        finally:
            os.close(descriptor)
