"""What commands work on, by the environment of the process."""

import os
from pathlib import Path

from wheelhouse import config
from wheelhouse.config import Settings
from wheelhouse.index.opening import open_index
from wheelhouse.index.transaction import Index
from wheelhouse.store.downloads import Cache


def shelf() -> Path:
    """All that the index has."""
    return _place("SHELF")


def configuration() -> Path:
    """What the role has written."""
    return _place("CONFIG")


def intake() -> Path:
    """The list of public packages, and advisories."""
    return _place("INTAKE")


def transfers() -> Path:
    """What is needed to export and import."""
    return _place("TRANSFER")


def cache() -> Cache:
    """Copies of public files."""
    return Cache(_place("CACHE"))


def index() -> Index:
    """The index on the shelf. Raises `Damaged`, `Busy` and the like."""
    return open_index(shelf())


def settings() -> Settings:
    """The settings as they are now. Raises `ConfigError`."""
    return config.load(configuration())


def _place(name: str) -> Path:
    return Path(os.environ.get(f"WHEELHOUSE_{name}", f"/{name.lower()}"))
