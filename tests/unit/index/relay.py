"""A relay in front of a server: it can break connections off, be slow, or speak TLS for the server."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator


class Relay:
    """Passes bytes on to a port of this machine, whichever way."""

    def __init__(self, target: int, tls: ssl.SSLContext | None = None) -> None:
        self._target = target
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.cut_after: list[int] = []
        """Of each of the next answers, so many bytes pass before the connection is broken off."""
        self.replaced: dict[bytes, bytes] = {}
        """Names of headers that are given another name on the way to the server."""
        self.most: int | None = None
        """Bytes that one connection may send."""
        self.connections = 0

    @contextlib.contextmanager
    def running(self) -> Iterator["Relay"]:
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield self
        finally:
            self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(client.close)
            if self._tls:
                client = self._tls.wrap_socket(client, server_side=True)
                stack.callback(client.close)
            server = stack.enter_context(socket.create_connection(("127.0.0.1", self._target)))
            threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
            cut = self.cut_after.pop(0) if self.cut_after else None
            while piece := server.recv(2**16):
                if cut is not None:
                    piece = piece[:cut]
                    cut -= len(piece)
                client.sendall(piece)
                if cut == 0:
                    client.shutdown(socket.SHUT_RDWR)  # closing it would wait for the thread that reads from it
                    return

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sent = 0
            while piece := source.recv(2**16):
                for name, other in self.replaced.items():
                    piece = piece.replace(name, other)
                sent += len(piece)
                if self.most is not None and sent > self.most:
                    source.shutdown(socket.SHUT_RDWR)
                    break
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
