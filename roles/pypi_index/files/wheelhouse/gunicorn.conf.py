"""How gunicorn runs the application in the container."""

import os
import threading
from pathlib import Path

from wheelhouse.config import ConfigError, load

bind = os.environ.get("WHEELHOUSE_LISTEN", "0.0.0.0:8080")
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


def on_starting(server):
    """Refuse to start with one sentence, before any worker shows a traceback."""
    try:
        load(Path(os.environ.get("WHEELHOUSE_CONFIG", "/config")))
    except ConfigError as error:
        raise SystemExit(str(error)) from error


def post_worker_init(worker):
    """Let each worker read the journal while it already answers."""
    threading.Thread(target=worker.wsgi.warm_up, daemon=True).start()
