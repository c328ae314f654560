"""Upload files to the index as twine does, each over a connection of its own, and say how long each took.

    publish.py URL NETRC FILE ...

NETRC holds the login. Prints a JSON list of seconds, from before the connection to the end of the answer. Runs on the
index host; only the standard library.
"""

import base64
import hashlib
import http.client
import json
import netrc
import ssl
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

PACE = 0.15
"""Seconds from one upload to the next: the gateway delays a client that sends more than ten in a second."""


def form(file: Path) -> tuple[str, bytes]:
    """Content type and body of an upload."""
    content = file.read_bytes()
    name, version = file.name.split("-")[:2]
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": name,
        "version": version,
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "sha256_digest": hashlib.sha256(content).hexdigest(),
    }
    boundary = uuid.uuid4().hex
    part = f"--{boundary}\r\nContent-Disposition: form-data; name="
    body = "".join(f'{part}"{key}"\r\n\r\n{value}\r\n' for key, value in fields.items())
    body += f'{part}"content"; filename="{file.name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return f"multipart/form-data; boundary={boundary}", body.encode() + content + f"\r\n--{boundary}--\r\n".encode()


def upload(url: str, login: str, file: Path) -> float:
    """Seconds that the upload of `file` took; raises RuntimeError if it was refused."""
    content_type, body = form(file)
    address = urlsplit(url)
    headers = {"Authorization": login, "Content-Type": content_type}
    trust = ssl.create_default_context()
    started = time.perf_counter()
    connection = http.client.HTTPSConnection(address.hostname or "", address.port, timeout=120, context=trust)
    connection.request("POST", address.path, body, headers)
    answer = connection.getresponse()
    answer.read()
    taken = time.perf_counter() - started
    connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{file.name}: {answer.status} {answer.reason}")
    return taken


def main(url: str, netrc_file: str, *files: str) -> None:
    """Upload and print."""
    user, _, password = netrc.netrc(netrc_file).authenticators(urlsplit(url).hostname or "") or ("", "", "")
    login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    taken = []
    for file in files:
        taken.append(upload(url, login, Path(file)))
        time.sleep(max(0.0, PACE - taken[-1]))
    print(json.dumps(taken))


if __name__ == "__main__":
    main(*sys.argv[1:])
