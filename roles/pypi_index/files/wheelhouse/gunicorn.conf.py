"""How gunicorn runs the application in the container."""

import os
import threading
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger
from wheelhouse.config import ConfigError, load
from wheelhouse.errors import WheelhouseError
from wheelhouse.index.opening import open_index
from wheelhouse.logs import OneLine
from wheelhouse.web import handover


class _Log(Logger):  # type: ignore[misc]
    """gunicorn's log, in which what somebody sends stays on its line."""

    def _set_handler(self, log: Any, output: Any, fmt: Any, stream: Any = None) -> None:
        fmt = OneLine(self.access_fmt if log is self.access_log else self.error_fmt, self.datefmt)
        super()._set_handler(log, output, fmt, stream)


bind = handover.listen()
logger_class = _Log
workers = 2
threads = 32  # downloads that are on their way wait for the network, and hold one each
worker_class = "gthread"
worker_tmp_dir = "/dev/shm"  # heartbeats, on a read-only root file system
keepalive = 75  # seconds; nginx closes an idle connection after 60, and must be the first: an upload is not sent twice
graceful_timeout = 60  # a large upload is checked and published to its end
control_socket_disable = True  # it would be written to the home directory
accesslog = "-"
# Without the query string and the request's headers, which may hold secrets.
access_log_format = '%({x-forwarded-for}i)s %(u)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms'


def on_starting(server: Any) -> None:
    """Refuse to start with one sentence, before any worker shows a traceback; and have the shelf of today's form.

    A worker that took that long would be taken for one that hangs.
    """
    address = server.cfg.bind[0]
    place = Path(address.removeprefix("unix:")) if address.startswith("unix:") else None
    is_beside = place is not None and handover.is_answered(place)
    try:
        load(Path(os.environ.get("WHEELHOUSE_CONFIG", "/config")))
        index = open_index(Path(os.environ.get("WHEELHOUSE_SHELF", "/shelf")), beside=is_beside)
        if index.database.server:
            index.render_dirty()  # all that others have changed while this gateway was away
        index.database.close()
    except (ConfigError, WheelhouseError) as error:
        raise SystemExit(str(error)) from error
    if place:
        server.cfg.set("bind", [f"fd://{handover.bind(place).detach()}"])
        server.systemd = True  # as for its sockets: at the end, the name may lead to the program that has taken over


def post_worker_init(worker: Any) -> None:
    """Let each worker get ready for uploads while it already answers."""
    threading.Thread(target=worker.wsgi.warm_up, daemon=True).start()
