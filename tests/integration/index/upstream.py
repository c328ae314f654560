"""A public index in small, which remembers what it was asked for. Runs on the company's edge: python3 upstream.py DIRECTORY PORT

It serves DIRECTORY/simple/<project>/index.json and DIRECTORY/files/<file>, and appends each address to DIRECTORY/asked.
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(sys.argv[1])


class Upstream(BaseHTTPRequestHandler):
    """Answers as PEP 691 says, in JSON alone."""

    def do_GET(self) -> None:
        with (ROOT / "asked").open("a") as asked:
            asked.write(f"{self.path}\n")
        is_page = self.path.startswith("/simple/")
        file = ROOT / self.path.lstrip("/") / ("index.json" if is_page else "")
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        self.send_response(200)
        self.send_header(
            "Content-Type", "application/vnd.pypi.simple.v1+json" if is_page else "application/octet-stream"
        )
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("", int(sys.argv[2])), Upstream).serve_forever()
