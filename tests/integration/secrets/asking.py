"""Asking the index and a JupyterLab from inside, with secrets that no command line may show."""

from __future__ import annotations

import base64
import json
from typing import Any

from company import Run, host_of
from testinfra.host import Host

HTPASSWD = "/srv/wheelhouse/config/htpasswd"
TOKENS = "/etc/wheelhouse/jupyter/tokens"

# The status of the index's page for a login, asked on the workstation; the login comes on standard input.
ASK_INDEX = """
import base64, http.client, sys
connection = http.client.HTTPSConnection("packages.acme.example", timeout=60)
login = base64.b64encode(sys.stdin.read().encode()).decode()
connection.request("GET", "/simple/", headers={"Authorization": "Basic " + login})
print(connection.getresponse().status)
"""
# The same of a JupyterLab for a token, and how many kernels it has.
ASK_JUPYTER = """
import http.client, json, socket, sys
def ask(token, method, path):
    page = http.client.HTTPConnection("localhost")
    page.sock = socket.socket(socket.AF_UNIX)
    page.sock.connect("/run/jupyter-ada/jupyter.sock")
    page.request(method, path, body="{}" if method == "POST" else None, headers={"Authorization": "token " + token})
    answer = page.getresponse()
    return answer.status, answer.read().decode()
token, method, path = sys.stdin.read().split()
print(json.dumps(ask(token, method, path)))
"""


def given(host: Host, program: str, text: str) -> str:
    """What a Python program on the host prints for a text that nobody may see in its command line."""
    encoded = base64.b64encode(text.encode()).decode()
    return str(host.check_output("printf %%s %s | base64 -d | python3 -c %s", encoded, program))


def index_status(workstation: Host, name: str, password: str) -> int:
    return int(given(workstation, ASK_INDEX, f"{name}:{password}"))


def jupyter_says(jupyter: Host, token: str, method: str, path: str) -> list[Any]:
    return list(json.loads(given(jupyter, ASK_JUPYTER, f"{token} {method} {path}")))


def tokens(jupyter: Host) -> dict[str, str]:
    return {name: jupyter.check_output(f"cat {TOKENS}/{name}").strip() for name in ("ada", "leo")}


def index_tokens() -> dict[str, str]:
    """What people's tools log in with at the index, on each host."""
    entry = "sed -n 's/^machine packages.acme.example .* password //p' /home/%s/.netrc"
    found = {
        f"{name} on {role}": host_of(role).check_output(entry, name).strip()
        for role in ("jupyter", "workstation")
        for name in ("ada", "leo")
    }
    assert all(token.startswith("whl_") for token in found.values())
    return found


def said(run: Run) -> str:
    """What the run said in the end, white space folded."""
    return " ".join(run.output.rpartition("What became of it")[2].split())
