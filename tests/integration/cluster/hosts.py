"""The hosts of `make demo-cluster`, killed and started as a power failure would, and what each knows of itself."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from company import SUFFIX, Office, eventually, vault

GATEWAYS = {"wheelhouse-gateway-1": "198.51.100.21", "wheelhouse-gateway-2": "198.51.100.22"}
DATABASES = ("wheelhouse-database-1", "wheelhouse-database-2")
BALANCERS = ("wheelhouse-balancer-1", "wheelhouse-balancer-2")
STORE = "wheelhouse-store"
ADDRESS = "198.51.100.10"
URL = "https://packages.acme.example"
START = 180
"""Seconds that a host may take to be of use again."""
FETCH = """
import base64, http.client, json, netrc, socket, ssl, sys

address, path, accept = sys.argv[1:]
host = "packages.acme.example"
login, _, password = netrc.netrc().authenticators(host)
headers = {"Accept": accept, "Authorization": "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()}
status, content = 0, b""
try:
    plain = socket.create_connection((address, 443), timeout=20)
    connection = http.client.HTTPConnection(host)
    connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    status, content = answer.status, answer.read()
except (OSError, http.client.HTTPException):
    status = 0
print(json.dumps({"status": status, "content": base64.b64encode(content).decode()}))
"""
"""A program of the workstation, which has no curl: asks one host, whatever the DNS says."""


def office() -> Office:
    """The people of inventories/demo-cluster, at their workstation."""
    known = vault()
    people = [
        {"name": name, "index_password": known[f"{name}_index"], "publishes": publishes, "jupyter_url": ""}
        | {"proxy_username": "", "proxy_password": ""}
        for name, publishes in (("ada", ["acme-*"]), ("leo", []))
    ]
    hosts = {"workstation": f"wheelhouse-workstation{SUFFIX}"}
    return Office({"index_url_inside": URL, "hosts": hosts, "people": people})


def on(host: str, command: str, *, check: bool = True) -> str:
    """What a command of root prints on a host."""
    done = subprocess.run(
        ["docker", "exec", f"{host}{SUFFIX}", "sh", "-c", command], capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, f"{host}: {command}\n{done.stdout}{done.stderr}"
    return done.stdout


def kill(host: str) -> None:
    """Pull its plug."""
    subprocess.run(["docker", "kill", f"{host}{SUFFIX}"], check=True, capture_output=True)


def power_on(host: str) -> None:
    """Give it power."""
    subprocess.run(["docker", "start", f"{host}{SUFFIX}"], check=True, capture_output=True)


def start(host: str) -> None:
    """Give it power, and wait until it does its work."""
    power_on(host)
    eventually(lambda: works(host), f"{host} works again", seconds=START)


def works(host: str) -> bool:
    """Whether a host does what it is there for."""
    if host in GATEWAYS:
        return status_of(GATEWAYS[host], "/health") == 200
    if host in DATABASES:
        return bool(on(host, "su postgres -c 'psql -XAtc \"SELECT 1\" -p 5432'", check=False).strip())
    if host == STORE:
        return bool(on(host, "ss -ltnH 'sport = :8333'", check=False).strip())
    return on(host, "systemctl is-active haproxy keepalived", check=False).split() == ["active", "active"]


@dataclass(frozen=True)
class Answer:
    """What one address of the index said; status 0 where nothing answers."""

    status: int
    content: bytes


def fetched(address: str, path: str, accept: str = "*/*") -> Answer:
    """What ada's workstation reads at one address of the index, with the login that is stored there."""
    words = " ".join(shlex.quote(word) for word in (FETCH, address, path, accept))
    said = json.loads(office().succeed_as("ada", f"python3 -c {words}"))
    return Answer(said["status"], base64.b64decode(said["content"]))


def status_of(address: str, path: str) -> int:
    """The status with which a gateway, or a balancer, answers the workstation."""
    return fetched(address, path).status


def links_of(address: str, project: str) -> dict[str, str]:
    """{name: path} of a project's files on the page that one gateway has."""
    page = fetched(address, f"/simple/{project}/", "application/vnd.pypi.simple.v1+json")
    if page.status != 200:
        return {}
    files = json.loads(page.content)["files"]
    return {file["filename"]: urlsplit(urljoin(f"{URL}/simple/{project}/", file["url"])).path for file in files}


def files_of(address: str, project: str) -> set[str]:
    """The names of a project's files on the page that one gateway has."""
    return set(links_of(address, project))


@dataclass(frozen=True)
class Project:
    """An internal project that ada writes on her workstation."""

    name: str

    def build(self, version: str) -> str:
        """The path of a new wheel in her home."""
        package, place = self.name.replace("-", "_"), f"work/{self.name}-{version}"
        office().succeed_as(
            "ada",
            f"""
            mkdir -p {place}/{package} && cd {place} && echo 'VERSION = "{version}"' >{package}/__init__.py
            printf '%s\\n' '[project]' 'name = "{self.name}"' 'version = "{version}"' 'requires-python = ">=3.9"' \
                '[build-system]' 'requires = ["hatchling"]' 'build-backend = "hatchling.build"' >pyproject.toml
            uv build --quiet --wheel
            """,
        )
        return f"{place}/dist/{package}-{version}-py3-none-any.whl"
