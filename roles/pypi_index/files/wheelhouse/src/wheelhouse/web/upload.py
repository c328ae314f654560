"""Uploads, through pypiserver.

pypiserver speaks the upload protocol and asks two things of us: whether somebody may come in (`_Uploads.admit`) and
what to do with the file (`_Uploads.add_package`).
"""

import contextlib
import errno
import logging
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pypiserver import app_from_config
from pypiserver.backend import Backend, BackendProxy
from pypiserver.bottle_wrapper import FileUpload, FormsDict, request
from pypiserver.config import Config as PypiserverConfig
from pypiserver.core import PkgFile

from wheelhouse.config import Config
from wheelhouse.errors import Busy, Conflict, Full, WheelhouseError
from wheelhouse.formats import attestation, confined, distribution, reading
from wheelhouse.formats.attestation import Attestation
from wheelhouse.formats.distribution import BadDistribution
from wheelhouse.formats.validation import Claims, Origin
from wheelhouse.index.events import MAX_REASON, REFUSE, Event, now
from wheelhouse.index.provenance import Provenance
from wheelhouse.index.transaction import Incoming, Index
from wheelhouse.web.logins import Login, Logins
from wheelhouse.web.responses import HTTPError, http_error
from wheelhouse.web.upload_form import FORM_OVERHEAD, NO_ROOM, UploadForm, received

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

BUSY = "The index is too busy to look at the file: upload it again in a minute."
DIGEST_FIELDS = {"sha256": "sha256_digest", "blake2_256": "blake2_256_digest", "md5": "md5_digest"}
_AT_HAND = "wheelhouse.upload"
"""What of a request is thrown away when it has been answered, its form, and its `Login`: keys of its environment."""
_FORM = "wheelhouse.upload.form"
_LOGIN = "wheelhouse.upload.login"


def upload_application(config: Config, index: Index, logins: Logins) -> "WSGIApplication":
    """pypiserver's WSGI application, publishing to `index`; raises `HTTPError`."""
    uploads = _Uploads(config, index, logins)
    pypiserver_config = PypiserverConfig.default_with_overrides(auther=uploads.admit, disable_fallback=True)
    pypiserver_config.backend = BackendProxy(uploads)
    app = app_from_config(pypiserver_config)
    app.catchall = False
    app.default_error_handler = _raise_error

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        with contextlib.ExitStack() as stack:
            environ[_AT_HAND] = stack
            answer: Iterable[bytes] = app(environ, start_response)
            return answer

    return application


class _Uploads(Backend):  # type: ignore[misc]
    """pypiserver's view of the index: files come in and none are shown, since reads never get here."""

    def __init__(self, config: Config, index: Index, logins: Logins) -> None:
        self._config = config
        self._index = index
        self._logins = logins

    def admit(self, user: str, password: str) -> bool:
        """pypiserver's authenticator, which is called once, before anything of the body is read.

        It is also the one place between the password and pypiserver's other actions, so what is no upload by somebody
        who may upload it ends here. Raises `HTTPError`.
        """
        settings = self._config.current()
        login = self._logins.find(user, password)
        if login is None:
            raise HTTPError(401, self._logins.why_wrong(password))
        if sentence := login.why_nothing(settings):
            raise HTTPError(403, sentence)
        request.environ[_LOGIN] = login
        form = self._receive(settings.max_file_size)
        if form.fields.get(":action") != "file_upload" or form.path is None or form.filename is None:
            raise HTTPError(
                400, "This is not an upload: send :action=file_upload and the file as content, as twine and uv do."
            )
        with self._refusing(login, form.filename):
            name = distribution.parse_filename(form.filename)
            if sentence := login.why_not(name.project, settings):
                raise HTTPError(403, sentence)
            if form.path.stat().st_size > settings.max_file_size:
                raise HTTPError(413, _too_big(settings.max_file_size))
        return True

    def _receive(self, max_file_size: int) -> UploadForm:
        """The form of this request, for pypiserver as well; raises `HTTPError`."""
        if not request.content_type.startswith("multipart/form-data"):
            raise HTTPError(400, "This is not an upload: send the form as multipart/form-data, as twine and uv do.")
        if request.content_length < 0:
            raise HTTPError(411, "The upload does not say how long it is: send a Content-Length.")
        if request.content_length > max_file_size + FORM_OVERHEAD:
            raise HTTPError(413, _too_big(max_file_size))
        if request.content_length > self._index.staging.room():
            raise HTTPError(507, NO_ROOM)
        environ = request.environ
        try:
            form: UploadForm = environ[_AT_HAND].enter_context(
                received(environ, request.content_length, self._index.staging.incoming)
            )
        except WheelhouseError as error:
            raise http_error(error) from error
        environ[_FORM] = form
        environ["bottle.request.forms"] = FormsDict(form.fields)
        environ["bottle.request.files"] = files = FormsDict()
        # A GPG signature is left out: no index shows them any more, and pypiserver has opinions on how it is called.
        if form.path:
            files["content"] = FileUpload(
                environ[_AT_HAND].enter_context(form.path.open("rb")), "content", form.filename
            )
        return form

    def add_package(self, filename: str, stream: IO[bytes]) -> None:
        """Check and publish; what pypiserver answers with 200 when this returns is on the disk and listed.

        `stream` is the file that the form was received to. Raises `HTTPError`, and then nothing has changed.
        """
        login: Login = request.environ[_LOGIN]
        user, notes = login.user, [f"with the token {login.token.id}"] if login.token else []
        job = login.token.job if login.token else None
        with self._refusing(login, filename):
            path = request.environ[_FORM].sync()
            try:
                checked = reading.check(path, filename, _claims(), Origin.UPLOAD)
            except confined.Busy as error:
                raise Busy(BUSY) from error
            attested = attestation.read(
                request.environ[_FORM].fields.get("attestations", ""),
                checked.distribution.name.filename,
                checked.distribution.hashes["sha256"],
            )
            _refuse_of_others(attested, filename, job)
            kept = None
            if attested:
                kept = Provenance(attestation.provenance(attested), self._config.current().index_url)
                notes.append(f"{len(attested)} {'attestation' if len(attested) == 1 else 'attestations'}")
            incoming, note = Incoming(path, checked, provenance=kept), ", ".join(notes) or None
            published = self._index.publish([incoming], user, _origin(), note=note, job=job)
            log.info("%s %s %s from %s.", user, "published" if published else "sent again", filename, _origin())

    @contextlib.contextmanager
    def _refusing(self, login: Login, filename: str) -> Iterator[None]:
        """Turn what speaks against a file into an `HTTPError`, and write it down."""
        user, job = login.user, login.token.job if login.token else None
        try:
            yield
        except Busy as error:
            raise http_error(error) from error
        except (HTTPError, BadDistribution, Conflict) as error:
            refusal = error if isinstance(error, HTTPError) else HTTPError(_STATUS[type(error)], str(error))
            event = Event(REFUSE, user, now(), _origin(), file=filename, reason=refusal.sentence, job=job)
            if self._index.refuse(event):
                log.info("%s was refused %s: %s", user, ascii(filename[:300]), ascii(refusal.sentence[:MAX_REASON]))
            raise refusal from error
        except (Full, OSError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            log.error("The shelf's disk is full: %s of %s was not taken.", ascii(filename[:300]), user)
            raise HTTPError(507, NO_ROOM) from error

    def exists(self, filename: str) -> bool:
        """Never, to pypiserver: the index decides that in its transaction, and has a better sentence."""
        return False

    def get_all_packages(self) -> Iterable[PkgFile]:
        """None: reads are files, and removing is the administrator's."""
        return ()

    def remove_package(self, pkg: PkgFile) -> None:
        """Not by HTTP. pypiserver cannot get here, because it finds no packages."""
        raise HTTPError(403, "Nothing can be removed from this index by HTTP.")


def _refuse_of_others(attested: Iterable[Attestation], filename: str, job: Mapping[str, str] | None) -> None:
    """Raises `BadDistribution` where a job sends what was attested in another repository than its own."""
    mine = (job or {}).get("repository")
    for one in attested:
        claimed = urlsplit(one.repository).path.strip("/")
        if mine and claimed and claimed != mine:
            raise BadDistribution(
                f"An attestation of {filename} was made in {one.repository}, and this job is one of {mine!a}."
            )


_STATUS: dict[type[Exception], int] = {BadDistribution: 400, Conflict: 409}


def _raise_error(error: Any) -> None:
    """Called by pypiserver's framework with an HTTPError of its own."""
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        raise HTTPError(401, "Uploading needs a user name and a password: give them to twine, uv or Poetry.")
    raise HTTPError(error.status_code, str(error.body or error.status_line))


def _claims() -> Claims:
    form = request.environ[_FORM].fields
    digests = {name: form[field] for name, field in DIGEST_FIELDS.items() if form.get(field)}
    return Claims(form.get("name", ""), form.get("version", ""), digests)


def _origin() -> str:
    """The client's address, as the gateway in front of us saw it."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return str(forwarded.rpartition(",")[2].strip() or request.environ.get("REMOTE_ADDR", ""))


def _too_big(limit: int) -> str:
    return f"The file is bigger than {limit} bytes, the most this index takes."
