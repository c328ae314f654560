"""A team on the Jupyter host, and what its people do there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from company import Office, Run, play
from kernels import run_cells, script
from testinfra.backend.base import CommandResult
from testinfra.host import Host

PLAYBOOK = Path(__file__).with_name("team.yml")
# small enough to be filled on any machine
LIMITS: dict[str, object] = {
    "jupyter_host_memory_max": "400M",
    "jupyter_host_tasks_max": 200,
    "jupyter_host_idle_minutes": 1,
}

# What a server answers to a token, as HTTP status: ask [[SOCKET, TOKEN], ...]
ASK = """
import http.client, json, socket, sys
def ask(path, token):
    page = http.client.HTTPConnection("localhost")
    page.sock = socket.socket(socket.AF_UNIX)
    page.sock.settimeout(120)
    page.sock.connect(path)
    page.request("GET", "/api/contents", headers={"Authorization": "token " + token})
    return page.getresponse().status
print(json.dumps([ask(*one) for one in json.load(sys.stdin)]))
"""


def settle(size: int, settings: Mapping[str, object] | None = None, check: bool = True) -> Run:
    """Bring the Jupyter host to a team of so many people."""
    return play(PLAYBOOK, "--extra-vars", json.dumps({"team_size": size, **(settings or {})}), check=check)


def tasks_of(run: Run) -> int:
    """How many tasks a run took on the host, done and left out."""
    recap = run.output.rpartition("PLAY RECAP")[2]
    return sum(int(number) for number in re.findall(r"(?:ok|skipped)=(\d+)", recap))


class Team:
    """`size` people, kim1 and so on."""

    def __init__(self, office: Office, host: Host, size: int) -> None:
        self.office, self.host = office, host
        self.names = [f"kim{number}" for number in range(1, size + 1)]

    def run_as(self, name: str, command: str) -> CommandResult:
        """A command in a login shell on the Jupyter host, as over SSH."""
        return self.office.run_as(name, command, on="jupyter")

    def cells(self, name: str, *cells: str, kernel: str = "new") -> str:
        """What cells print in a kernel of somebody's; see `run_cells`."""
        return run_cells(self.office, name, *cells, kernel=kernel)

    def everybody(self, do: Callable[[str], object]) -> dict[str, object]:
        """What `do(name)` returns for each, all at the same time."""
        with ThreadPoolExecutor(max_workers=len(self.names)) as pool:
            return dict(zip(self.names, pool.map(do, self.names), strict=True))

    def token(self, name: str) -> str:
        return str(self.host.file(f"/etc/wheelhouse/jupyter/tokens/{name}").content_string).strip()

    def statuses(self, pairs: Sequence[tuple[str, ...]]) -> list[int]:
        """What the server of the first of each pair answers to the token of the second."""
        tokens = {name: self.token(name) for name in {name for pair in pairs for name in pair}}
        asked = [[f"/run/jupyter-{owner}/jupyter.sock", tokens[bearer]] for owner, bearer in pairs]
        # root may connect anywhere, so that only the token is tried
        self.host.check_output("umask 077; printf %%s %s >/run/asked", json.dumps(asked))
        return list(json.loads(self.host.check_output(f"{script(ASK)} </run/asked; rm /run/asked")))

    def main_process(self, name: str) -> str:
        return str(self.host.check_output("systemctl show --property=MainPID --value jupyterlab@%s", name))

    def state(self, name: str) -> str:
        return str(self.host.run("systemctl is-active jupyterlab@%s", name).stdout).strip()
