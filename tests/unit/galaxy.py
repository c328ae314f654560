"""A Galaxy server on this machine, for ansible-galaxy: some collections in some versions, with nothing in them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FILES = {"files": [{"name": ".", "ftype": "dir", "chksum_type": None, "chksum_sha256": None, "format": 1}], "format": 1}


def empty_collection(name: str, version: str) -> bytes:
    """The built file of a collection without content."""
    namespace, _, short = name.partition(".")
    listed = json.dumps(FILES).encode()
    about = {"namespace": namespace, "name": short, "version": version, "authors": [], "dependencies": {}}
    file = {"name": "FILES.json", "ftype": "file", "chksum_type": "sha256", "format": 1}
    file["chksum_sha256"] = hashlib.sha256(listed).hexdigest()
    manifest = json.dumps({"collection_info": about, "file_manifest_file": file, "format": 1}).encode()
    built = io.BytesIO()
    with tarfile.open(fileobj=built, mode="w:gz") as archive:
        for member, content in (("MANIFEST.json", manifest), ("FILES.json", listed)):
            info = tarfile.TarInfo(member)
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content))
    return built.getvalue()


@contextmanager
def galaxy(collections: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The address of a server that has these versions of these collections, as long as it is wanted."""
    files = {
        f"{name.replace('.', '-')}-{version}.tar.gz": empty_collection(name, version)
        for name, versions in collections.items()
        for version in versions
    }

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = self.path.partition("?")[0].strip("/").split("/")
            if parts == ["api"]:
                self.say({"available_versions": {"v3": "v3/"}})
            elif parts[0] == "files" and parts[-1] in files:
                self.send(files[parts[-1]], "application/gzip")
            elif parts[:3] == ["api", "v3", "collections"] and ".".join(parts[3:5]) in collections:
                self.collection(".".join(parts[3:5]), parts[5:])
            else:
                self.send_error(404)

        def collection(self, name: str, rest: list[str]) -> None:
            namespace, short = name.split(".")
            if rest == ["versions"]:
                versions = [{"version": version} for version in collections[name]]
                self.say({"meta": {"count": len(versions)}, "links": {"next": None}, "data": versions})
            elif rest:
                file = f"{namespace}-{short}-{rest[1]}.tar.gz"
                self.say(
                    {
                        "namespace": {"name": namespace},
                        "collection": {"name": short},
                        "version": rest[1],
                        "href": self.path,
                        "download_url": f"{address}/files/{file}",
                        "artifact": {"filename": file, "sha256": hashlib.sha256(files[file]).hexdigest()},
                        "metadata": {"dependencies": {}},
                        "signatures": [],
                    }
                )
            else:
                self.say({"name": short, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"})

        def say(self, answer: object) -> None:
            self.send(json.dumps(answer).encode(), "application/json")

        def send(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{address}/api/"
    finally:
        server.shutdown()
        server.server_close()
