"""Uploads, through pypiserver.

pypiserver speaks the upload protocol and asks two things of us: whether somebody may come in (`_Uploads.admit`) and
what to do with the file (`_Uploads.add_package`).
"""

import contextlib
import errno
import logging
import os
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any

from pypiserver import app_from_config
from pypiserver.backend import Backend, BackendProxy
from pypiserver.bottle_wrapper import request
from pypiserver.config import Config as PypiserverConfig
from pypiserver.core import PkgFile

from wheelhouse.config import Config
from wheelhouse.formats import distribution, reading
from wheelhouse.formats.confined import Busy
from wheelhouse.formats.distribution import BadDistribution
from wheelhouse.formats.validation import Claims, Origin
from wheelhouse.index import permissions, transaction
from wheelhouse.index.events import MAX_REASON, REFUSE, Event, Journal, now
from wheelhouse.index.file_names import Names
from wheelhouse.index.refusals import Refusals
from wheelhouse.index.transaction import Conflict
from wheelhouse.store.local import Shelf
from wheelhouse.web.responses import HTTPError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger(__name__)

FORM_OVERHEAD = 16 * 2**20
"""Bytes an upload may have beside the file: the metadata fields, with a README among them."""
NO_ROOM = "The index has no room for this file: tell whoever runs it that its disk is full, and send it again later."
BUSY = "The index is too busy to look at the file: upload it again in a minute."
DIGEST_FIELDS = {"sha256": "sha256_digest", "blake2_256": "blake2_256_digest", "md5": "md5_digest"}


def upload_application(config: Config, shelf: Shelf, names: Names) -> "WSGIApplication":
    """pypiserver's WSGI application, publishing to `shelf`; raises `HTTPError`."""
    uploads = _Uploads(config, shelf, names)
    pypiserver_config = PypiserverConfig.default_with_overrides(auther=uploads.admit, disable_fallback=True)
    pypiserver_config.backend = BackendProxy(uploads)
    app = app_from_config(pypiserver_config)
    app.catchall = False
    app.default_error_handler = _raise_error
    return app


class _Uploads(Backend):
    """pypiserver's view of the shelf: files come in and none are shown, since reads never get here."""

    def __init__(self, config: Config, shelf: Shelf, names: Names) -> None:
        self._config = config
        self._shelf = shelf
        self._journal = Journal(shelf.journal)
        self._names = names
        self._refusals = Refusals(shelf, self._journal)

    def admit(self, user: str, password: str) -> bool:
        """pypiserver's authenticator, which is called once, before anything of the body is read.

        It is also the one place between the password and pypiserver's other actions, so what is no upload by somebody
        who may upload it ends here, before the file is copied. Raises `HTTPError`.
        """
        settings = self._config.current()
        if not settings.knows(user, password):
            raise HTTPError(401, f"The user name or the password is wrong; if you have none, {settings.ask}.")
        if not settings.publishes.get(user):
            raise HTTPError(403, permissions.nothing(user, settings.ask))
        self._check_request(settings.max_file_size)
        upload = request.files.get("content")
        if request.forms.get(":action") != "file_upload" or upload is None:
            raise HTTPError(
                400, "This is not an upload: send :action=file_upload and the file as content, as twine and uv do."
            )
        with self._refusing(user, upload.raw_filename):
            name = distribution.parse_filename(upload.raw_filename)
            if sentence := permissions.why_not(user, name.project, settings.publishes.get(user, ()), settings.ask):
                raise HTTPError(403, sentence)
            if upload.file.seek(0, os.SEEK_END) > settings.max_file_size:
                raise HTTPError(413, _too_big(settings.max_file_size))
            upload.file.seek(0)
        # A GPG signature: no index shows them any more, and pypiserver has opinions on how it is called.
        request.files.pop("gpg_signature", None)
        return True

    def add_package(self, filename: str, stream: IO[bytes]) -> None:
        """Check and publish; what pypiserver answers with 200 when this returns is on the disk and listed.

        Raises `HTTPError`, and then nothing has changed.
        """
        user = request.auth[0]
        with self._refusing(user, filename), self._shelf.receive(stream) as received:
            try:
                checked = reading.check(received, filename, _claims(), Origin.UPLOAD)
            except Busy as error:
                raise HTTPError(503, BUSY) from error
            published = transaction.publish(self._shelf, self._journal, self._names, received, checked, user, _origin())
            log.info("%s %s %s from %s.", user, "published" if published else "sent again", filename, _origin())

    @contextlib.contextmanager
    def _refusing(self, user: str, filename: str) -> Iterator[None]:
        """Turn what speaks against a file into a `HTTPError`, and remember it in the journal."""
        try:
            yield
        except (HTTPError, BadDistribution, Conflict) as error:
            refusal = error if isinstance(error, HTTPError) else HTTPError(_STATUS[type(error)], str(error))
            event = Event(REFUSE, user, now(), _origin(), file=filename, reason=refusal.sentence)
            if self._refusals.note(event):
                log.info("%s was refused %s: %s", user, ascii(filename[:300]), ascii(refusal.sentence[:MAX_REASON]))
            raise refusal from error
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            log.error("The shelf's disk is full: %s of %s was not taken.", ascii(filename[:300]), user)
            raise HTTPError(507, NO_ROOM) from error

    def _check_request(self, max_file_size: int) -> None:
        """Whether the body may be read, and was received whole; raises `HTTPError`."""
        if not request.content_type.startswith("multipart/form-data"):
            raise HTTPError(400, "This is not an upload: send the form as multipart/form-data, as twine and uv do.")
        if request.content_length < 0:
            raise HTTPError(411, "The upload does not say how long it is: send a Content-Length.")
        if request.content_length > max_file_size + FORM_OVERHEAD:
            raise HTTPError(413, _too_big(max_file_size))
        # It is there three times in the end: as it was sent, as the file in it, and as the copy that is checked.
        if 3 * request.content_length > self._shelf.room():
            raise HTTPError(507, NO_ROOM)
        try:
            request.forms.get(":action")  # reads the body
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise HTTPError(507, NO_ROOM) from error
        except ValueError as error:
            raise HTTPError(400, f"The upload's form cannot be read ({error}).") from error
        if request.body.seek(0, os.SEEK_END) < request.content_length:
            raise HTTPError(400, "The upload was cut off on its way: send it again.")

    def exists(self, filename: str) -> bool:
        """Never, to pypiserver: `publishing` decides that under a lock, and has a better sentence."""
        return False

    def get_all_packages(self) -> Iterable[PkgFile]:
        """None: reads are files, and removing is the administrator's."""
        return ()

    def remove_package(self, pkg: PkgFile) -> None:
        """Not by HTTP. pypiserver cannot get here, because it finds no packages."""
        raise HTTPError(403, "Nothing can be removed from this index by HTTP.")


_STATUS: dict[type[Exception], int] = {BadDistribution: 400, Conflict: 409}


def _raise_error(error: Any) -> None:
    """Called by pypiserver's framework with an HTTPError of its own."""
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        raise HTTPError(401, "Uploading needs a user name and a password: give them to twine, uv or Poetry.")
    raise HTTPError(error.status_code, str(error.body or error.status_line))


def _claims() -> Claims:
    form = request.forms
    digests = {name: form[field] for name, field in DIGEST_FIELDS.items() if form.get(field)}
    return Claims(form.get("name", ""), form.get("version", ""), digests)


def _origin() -> str:
    """The client's address, as the gateway in front of us saw it."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return forwarded.rpartition(",")[2].strip() or request.environ.get("REMOTE_ADDR", "")


def _too_big(limit: int) -> str:
    return f"The file is bigger than {limit} bytes, the most this index takes."
