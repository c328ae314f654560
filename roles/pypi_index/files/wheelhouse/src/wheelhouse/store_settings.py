"""Where the bytes of packages are if not in a directory of this host: in a bucket of an S3-compatible server.

store.json     the server, the bucket and its keys, for the program's account alone; there is none without such a server
store-ca.pem   the company's CA; without it, the public ones are trusted
"""

import re
import stat
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

FILES = ("store.json", "store-ca.pem")
_SETTINGS, _CA = FILES
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*)?")


class ObjectStore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings."""

    endpoint: str
    """`https://s3.acme.example`: the address of the server, without the bucket."""
    bucket: str
    access_key: str
    secret_key: str
    cache_size: int
    """Bytes of package files that this host keeps on its disk."""
    prefix: str = ""
    """What all keys begin with, where others use the bucket as well; without slashes around it."""
    region: str = "us-east-1"
    ca: bytes = b""
    """The certificates that are trusted beside the public ones, PEM."""

    def __repr__(self) -> str:
        return f"ObjectStore({self.shown})"

    @property
    def shown(self) -> str:
        """Where it is, for people."""
        return "/".join(filter(None, (self.endpoint, self.bucket, self.prefix)))


def read(directory: Path) -> ObjectStore | None:
    """Read the files; None where bytes are in a directory. Raises OSError, and ValueError with one sentence, in which
    no secret is.
    """
    path, ca = directory / _SETTINGS, directory / _CA
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        settings = msgspec.json.decode(content, type=ObjectStore)
        settings = complete(settings, ca.read_bytes() if ca.exists() else b"")
    except ValueError as error:  # also what is not JSON, or not UTF-8
        raise ValueError(f"{path} cannot be used: {error}") from None
    if path.stat().st_mode & stat.S_IRWXO:
        raise ValueError(f"{path} has a secret key, and all accounts of this host may read it: give it mode 0640.")
    return settings


def complete(settings: ObjectStore, ca: bytes) -> ObjectStore:
    """The settings with the company's CA (PEM, or nothing); raises ValueError."""
    settings = msgspec.structs.replace(settings, endpoint=settings.endpoint.rstrip("/"), ca=ca)
    if fault := _fault(settings):
        raise ValueError(f"{fault}.")
    return settings


def _fault(settings: ObjectStore) -> str | None:
    if not _is_address(settings.endpoint):
        return "endpoint must be the address of a server such as https://s3.acme.example, without bucket or account"
    if not _BUCKET.fullmatch(settings.bucket):
        return "bucket must be a name of 3 to 63 characters of a-z, 0-9, `-` and `.`"
    if not _PREFIX.fullmatch(settings.prefix):
        return "prefix must be empty, or names of letters, digits, `.`, `_` and `-` with slashes between them"
    if not (settings.region and settings.access_key and settings.secret_key):
        return "region, access_key and secret_key must not be empty"
    if settings.cache_size <= 0:
        return "cache_size must be a number of bytes above 0"
    return None


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and parts.port != 0  # a port that is none raises
    except ValueError:
        return False
    is_bare = text == f"{parts.scheme}://{parts.netloc}" and "@" not in text
    return has_host and is_bare and parts.scheme in ("http", "https")
