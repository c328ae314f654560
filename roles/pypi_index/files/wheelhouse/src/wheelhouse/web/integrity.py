"""The provenance of files, where PyPI has it and in its form."""

import json
from http import HTTPStatus

from werkzeug.wrappers import Request, Response

from wheelhouse.formats import attestation
from wheelhouse.formats.distribution import MAX_NAME
from wheelhouse.index import provenance
from wheelhouse.index.database import Database
from wheelhouse.index.permissions import normalised
from wheelhouse.web.logins import Logins
from wheelhouse.web.responses import redirect


class Integrity:
    """Answers `/integrity/<project>/<version>/<file>/provenance`."""

    def __init__(self, database: Database, logins: Logins) -> None:
        self._database = database
        self._logins = logins

    def provenance(self, request: Request, path: str) -> Response:
        """404 with PyPI's form of a sentence if there is none."""
        project, version, filename, what = [*path.split("/", 3), "", "", ""][:4]
        name = normalised(project)
        if what != "provenance" or name is None or max(len(version), len(filename)) > MAX_NAME:
            return _json({"message": "There is no such address."}, HTTPStatus.NOT_FOUND)
        if name != project:
            return redirect(f"/{provenance.PLACE}/{name}/{version}/{filename}/provenance", HTTPStatus.MOVED_PERMANENTLY)
        document = None
        if self._logins.reader(request).may_read(name):
            with self._database.read() as connection:
                document = provenance.find(connection, name, version, filename)
        if document is None:
            return _json({"message": f"No provenance available for {filename!a}."}, HTTPStatus.NOT_FOUND)
        return Response(document, content_type=attestation.CONTENT_TYPE, headers={"Cache-Control": "no-cache"})


def _json(content: object, status: int) -> Response:
    return Response(json.dumps(content), status, content_type=attestation.CONTENT_TYPE)
