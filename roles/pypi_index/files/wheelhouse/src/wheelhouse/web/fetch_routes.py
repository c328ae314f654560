"""What the gateway asks for where it does not find a file: where a server keeps the bytes, it may not be here yet."""

from werkzeug.wrappers import Request, Response

from wheelhouse.index.fetching import Fetcher


class FetchRoutes:
    """Answers for `/fetch/`, which is for the gateway alone: see fetch.lua, which has let in whoever wants the file."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def fetch(self, _: Request, path: str) -> Response:
        """204 once the file is in its place, `packages/six/six-1.17.0.tar.gz`.

        Raises `NotFound`, `Damaged`, `Busy`, `Full`, OSError.
        """
        self._fetcher.fetch(path)
        return Response(status=204)
