"""The form of an upload, read once: the file in it goes to where it is checked, and nowhere else on its way.

werkzeug takes the form apart. pypiserver is given what is in it as if its own framework had done that.
"""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData, Preamble
from werkzeug.wsgi import LimitedStream

from wheelhouse.errors import Full, Rejected
from wheelhouse.store.staging import FILE_MODE

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FORM_OVERHEAD = 16 * 2**20
"""Bytes an upload may have beside the file: the metadata fields, with a README among them."""
MAX_PARTS = 10_000
CONTENT = "content"
"""The field that the file is in."""
NO_ROOM = "The index has no room for this file: tell whoever runs it that its disk is full, and send it again later."
CUT_OFF = "The upload was cut off on its way: send it again."
_PIECE = 2**18
_BUFFER = 2**20
"""Bytes that are held of what is not yet known to be anything."""


@dataclass
class UploadForm:
    """What was sent."""

    fields: dict[str, str] = field(default_factory=dict)
    """The last one of each name."""
    filename: str | None = None
    """As the client wrote it."""
    path: Path | None = None
    """Where the file is; it is gone when the request is over, unless something linked it."""

    def sync(self) -> Path:
        """Have the file on the disk, for others to read. Raises OSError."""
        assert self.path
        descriptor = os.open(self.path, os.O_RDWR)
        try:
            os.fchmod(descriptor, FILE_MODE)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return self.path


@contextlib.contextmanager
def received(environ: "WSGIEnvironment", length: int, incoming: Path) -> Iterator[UploadForm]:
    """The form of a request of `length` bytes, its file in the directory `incoming`. Raises `Rejected`, `Full`."""
    form = UploadForm()
    try:
        with _full_disk_told():
            _read(environ, length, incoming, form)
        yield form
    finally:
        if form.path:
            form.path.unlink(missing_ok=True)


def _read(environ: "WSGIEnvironment", length: int, incoming: Path, form: UploadForm) -> None:
    _, options = parse_options_header(environ.get("CONTENT_TYPE"))
    if not options.get("boundary"):
        raise Rejected("The upload's form cannot be read (its Content-Type names no boundary).")
    decoder = MultipartDecoder(options["boundary"].encode("latin-1", "replace"), _BUFFER, max_parts=MAX_PARTS)
    body = LimitedStream(environ["wsgi.input"], length)
    parts = 0
    with contextlib.ExitStack() as stack:
        file: IO[bytes] | None = None
        name, value, room = "", bytearray(), FORM_OVERHEAD
        try:
            for event in _events(decoder, body):
                if isinstance(event, (Field, File)):
                    parts += 1
                    name, value, file = str(event.name), bytearray(), None
                    if isinstance(event, File):
                        file = stack.enter_context(_file(incoming, form, event) if name == CONTENT else _nowhere())
                elif isinstance(event, Data) and file:
                    file.write(event.data)
                elif isinstance(event, Data):
                    value += event.data
                    room -= len(event.data)
                    if room < 0:
                        raise Rejected(f"The upload's fields have more than {FORM_OVERHEAD} bytes.")
                    if not event.more_data:
                        form.fields[name] = value.decode(errors="replace")
        except ClientDisconnected:
            raise Rejected(CUT_OFF) from None
        except (ValueError, RequestEntityTooLarge) as error:
            # Without a part in it, it is no form, and whoever asks for its fields says so.
            if parts:
                why = str(error) if isinstance(error, ValueError) else "it has too many parts, or one without an end"
                raise Rejected(f"The upload's form cannot be read ({why}).") from None


def _events(decoder: MultipartDecoder, body: LimitedStream) -> Iterator[Preamble | Field | File | Data]:
    """Raises ValueError, RequestEntityTooLarge, ClientDisconnected."""
    piece: bytes | None = b""
    while piece is not None:
        piece = body.read(_PIECE) or None
        decoder.receive_data(piece)
        while not isinstance(event := decoder.next_event(), (NeedData, Epilogue)):
            assert isinstance(event, (Preamble, Field, File, Data))
            yield event
        if isinstance(event, Epilogue):
            return


@contextlib.contextmanager
def _file(incoming: Path, form: UploadForm, part: File) -> Iterator[IO[bytes]]:
    if form.path:
        raise Rejected("The upload has two files in it: send one at a time.")
    descriptor, name = tempfile.mkstemp(dir=incoming)
    form.path, form.filename = Path(name), part.filename
    with open(descriptor, "wb") as stream:
        yield stream


def _nowhere() -> IO[bytes]:
    """For files that nobody wants: a GPG signature, which no index shows any more."""
    return open(os.devnull, "wb")


@contextlib.contextmanager
def _full_disk_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Full(NO_ROOM) from error
