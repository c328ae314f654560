"""One run of rotate.yml that replaces every secret, while people are at work and Ansible talks as loudly as it can."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asking import HTPASSWD, index_tokens, jupyter_says, tokens
from change import new_ca, new_passwords, playbook, write_vault
from company import STATE, Office, site, vault
from search import command_lines_watched
from testinfra.host import Host
from work import Work


@pytest.fixture(scope="session")
def before(jupyter: Host, index: Host) -> dict[str, Any]:
    """The secrets that are to be replaced, and a kernel that is to stay."""
    old = {"vault": vault(), "tokens": tokens(jupyter), "hashes": index.check_output(f"cat {HTPASSWD}").split()}
    old["index_tokens"] = index_tokens()
    old["ca"] = (STATE / "ca.pem").read_text()
    old["kernel"] = json.loads(jupyter_says(jupyter, old["tokens"]["ada"], "POST", "/api/kernels")[1])["id"]
    old["server"] = jupyter.check_output("systemctl show --value --property=MainPID jupyterlab@ada")
    return old


@pytest.fixture(scope="session")
def rotated(before: dict[str, Any], workstation: Host, office: Office) -> dict[str, Any]:
    """The run, and what each job had to complain of."""
    work = Work(workstation, office)
    work.prepare()
    work.start()
    # the proxy belongs to the company: it has the new passwords first
    write_vault(new_passwords("index") | {k: v for k, v in new_passwords("proxy").items() if k.endswith("_proxy")})
    playbook("demo/create.yml")
    new_ca()
    try:
        with command_lines_watched():
            run = site(
                "-vvv",
                "--diff",
                "-e",
                "rotate_jupyter_tokens=all",
                "-e",
                "rotate_index_tokens=all",
                playbook="rotate",
                check=False,
            )
        work.a_turn_of_each()
    finally:
        complaints = work.finish()
    playbook("demo/access.yml")
    assert run.rc == 0, run.output[-8000:]
    return {"run": run, "complaints": complaints, "turns": {job: work.turns(job) for job in complaints}}
