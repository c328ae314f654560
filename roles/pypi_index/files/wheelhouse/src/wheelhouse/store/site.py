"""The served tree, which the gateway reads: links to the bytes in the store, and pages. All of it can be made again.

    simple/...                          the pages of the simple index, each with a .gz beside it
    packages/<project>/<file>           published files
    packages/<project>/<file>.metadata  core metadata of a wheel
    conda/<channel>/<subdir>/...        conda packages, and repodata.json with .gz and .zst beside it
    reports/                            pages for auditors

Readers are other users: directories are 0755, files 0644, whatever the umask. Whatever appears under its name is whole.
Paths are texts below the shelf's directory. What lies here and no row knows is a stranger: see `index.reindex`.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from wheelhouse.store.base import Store
from wheelhouse.store.staging import Staging


class Site:
    """The tree of one shelf on this machine. Only `index.transaction` and `index.reindex` change it."""

    def __init__(self, root: Path, store: Store, staging: Staging) -> None:
        """Make the directories where they are missing; raises OSError."""
        self.root = root
        self.simple = root / "simple"
        self.packages = root / "packages"
        self.conda = root / "conda"
        self.reports = root / "reports"

    @contextlib.contextmanager
    def rendering(self, place: str) -> Iterator[None]:
        """Wait until nobody else on this machine renders the place, and keep it so.

        The rows are read inside, so that older ones never overwrite newer pages.
        """
        raise NotImplementedError

    def place(self, path: str, key: str, at: float) -> None:
        """Have the bytes of `key` at `path`, with `at` (seconds since 1970) as their time.

        A stranger that is there is moved to the drop directory.
        """
        raise NotImplementedError

    def is_placed(self, path: str, key: str) -> bool:
        """Whether what is at `path` is the very file that `place` put there."""
        raise NotImplementedError

    def names(self, directory: str) -> set[str]:
        """What is in a directory; nothing if it is not there."""
        raise NotImplementedError

    def write_page(self, path: str, content: bytes, *, durable: bool = True) -> bool:
        """Write a page and its gzipped sibling; False if both were like that already.

        A page that is called repodata.json has a .zst as well.
        """
        raise NotImplementedError

    def remove(self, path: str) -> None:
        """Take away a file, or a directory with all that is in it, at once; what is gone already is fine."""
        raise NotImplementedError

    def sync(self, directory: str) -> None:
        """Have the names in a directory on the disk."""
        raise NotImplementedError

    def write_report(self, name: str, content: bytes) -> bool:
        """Write a file below `reports`; False if it was like that already."""
        raise NotImplementedError
