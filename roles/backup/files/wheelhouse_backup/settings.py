"""The settings that the role wrote: one directory that root alone may read.

settings.json         what to save, and for how long
repository, password  restic's, one line each
environment           NAME=value, one a line: what the repository takes besides, such as keys of S3
ssh_key, known_hosts  for a repository behind SSH
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .failure import Failure

CONFIG = Path("/etc/wheelhouse/backup")


@dataclass(frozen=True)
class Index:
    """The package index on this host."""

    directory: Path
    """`pypi_index_directory`: the shelf and the intake's lists are in it."""
    container: str
    certificates: Path | None
    """Where the certificate is that was created on this host; None if it is given."""
    account: int
    """The uid and gid that published files belong to."""

    @property
    def is_gateway(self) -> bool:
        """Whether what the index knows is in a database, and its files in a store, in common with other hosts."""
        return (self.directory / "config" / "database.json").exists()

    @property
    def shelf(self) -> Path:
        """What the index has published."""
        return self.directory / "shelf"

    @property
    def intake(self) -> Path:
        """Lists of public packages, and advisories."""
        return self.directory / "intake"


@dataclass(frozen=True)
class Homes:
    """The homes of people on this host."""

    group: str
    """Its members' homes are saved."""
    accounts: Path
    """A file that names people whose accounts are the directory's, whose homes are saved, too."""
    limit: int
    """Bytes of one home's archive."""
    timeout: int
    """Seconds for one home."""


@dataclass(frozen=True)
class Settings:
    """All of them."""

    config: Path
    state: Path
    """This program's own directory; what a run leaves behind for the next."""
    runs: Path
    """How the last run of each job ended."""
    cache: Path
    host: str
    """What snapshots of this host are called."""
    keep: dict[str, int]
    """How many daily, weekly and monthly snapshots stay."""
    index: Index | None
    homes: Homes | None

    @property
    def repository(self) -> str:
        """Where restic keeps snapshots; it may hold a password."""
        return _line(self.config / "repository")

    @property
    def environment(self) -> dict[str, str]:
        """What is in restic's environment besides; secrets."""
        try:
            lines = (self.config / "environment").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def load(config: Path = CONFIG) -> Settings:
    """Read them; raises `Failure`."""
    file = config / "settings.json"
    try:
        given: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Failure(f"{file} is missing: set backup_repository and run site.yml.") from None
    except PermissionError:
        raise Failure(f"{file} can be read by root alone: use sudo.") from None
    index, homes = given.get("index"), given.get("homes")
    return Settings(
        config=config,
        state=Path(given["state"]),
        runs=Path(given["runs"]),
        cache=Path(given["cache"]),
        host=given["host"],
        keep={kind: int(number) for kind, number in given["keep"].items()},
        index=index
        and Index(
            directory=Path(index["directory"]),
            container=index["container"],
            certificates=Path(index["certificates"]) if index["certificates"] else None,
            account=int(index["account"]),
        ),
        homes=homes
        and Homes(
            group=homes["group"],
            accounts=Path(homes["accounts"]),
            limit=int(homes["limit"]),
            timeout=int(homes["timeout"]),
        ),
    )


def _line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise Failure(f"{file} is missing: run site.yml.") from None
