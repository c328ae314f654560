"""The office from outside: its hosts through Docker, its people through their own login shells, IT through ansible-playbook.

Runs against what `make demo` has set up, or, where WHEELHOUSE_DEMO names it, what a molecule scenario has.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import testinfra
from testinfra.backend.base import CommandResult
from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[2]
NAME = os.environ.get("WHEELHOUSE_DEMO", "")
SUFFIX = f"-{NAME}" if NAME else ""
STATE = ROOT / f".demo{SUFFIX}"
INVENTORY = ROOT / "inventories" / "demo"
ROLES = ("proxy", "index", "jupyter", "workstation")
PUBLISHING = ("UV_PUBLISH", "TWINE", "POETRY_HTTP_BASIC_COMPANY")
"""What the names of variables begin with that publishing tools read a login from."""


@dataclass(frozen=True)
class Person:
    """One of `people` in access.json."""

    name: str
    index_password: str
    publishes: list[str]
    proxy_username: str
    proxy_password: str
    jupyter_url: str


def host_of(role: str) -> Host:
    """One of proxy, index, jupyter, workstation."""
    return testinfra.get_host(f"docker://wheelhouse-{role}{SUFFIX}")


def address_of(role: str) -> str:
    """The host's address on the network inside the company, which the machine that runs the hosts reaches as well."""
    network = f'{{{{(index .NetworkSettings.Networks "wheelhouse-inside{SUFFIX}").IPAddress}}}}'
    command = ["docker", "inspect", "--format", network, f"wheelhouse-{role}{SUFFIX}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def publishing_as(name: str, password: str) -> str:
    """The beginning of a command in which tools publish with this login."""
    login = {"USERNAME": name, "PASSWORD": password}
    words = [f"{tool}_{word}={shlex.quote(value)}" for tool in PUBLISHING for word, value in login.items()]
    return f"export {' '.join(words)}; "


class Office:
    """What access.json tells a stranger, and the hosts it names."""

    def __init__(self, access: dict[str, Any]) -> None:
        self.access = access
        self.index_url: str = access["index_url_inside"]
        self.people = {entry["name"]: Person(**entry) for entry in access["people"]}

    def host(self, role: str) -> Host:
        """One of proxy, index, jupyter, workstation."""
        host: Host = testinfra.get_host(f"docker://{self.access['hosts'][role]}")
        return host

    def person(self, name: str) -> Person:
        """Somebody by their login name."""
        return self.people[name]

    def run_as(self, name: str, command: str, on: str = "workstation") -> CommandResult:
        """Run `command` in a login shell of the person `name`."""
        return self.host(on).run(f"su - {name} -c {shlex.quote(command)}")

    def publishing(self, name: str) -> str:
        """The beginning of a command in which tools publish as this person, with the password that no file of theirs has."""
        return publishing_as(name, self.person(name).index_password)

    def publish_as(self, name: str, command: str, on: str = "workstation") -> str:
        """`succeed_as` of a command that publishes."""
        return self.succeed_as(name, self.publishing(name) + command, on)

    def succeed_as(self, name: str, command: str, on: str = "workstation") -> str:
        """`run_as` that has to succeed; its standard output."""
        result = self.run_as(name, command, on)
        assert result.rc == 0, f"{name}: {command}\n{result.stdout}\n{result.stderr}"
        return str(result.stdout)


@dataclass(frozen=True)
class Run:
    """How a playbook went."""

    rc: int
    output: str

    @property
    def changed(self) -> int:
        """How many tasks changed something, over all hosts."""
        recap = self.output.rpartition("PLAY RECAP")[2]
        return sum(int(number) for number in re.findall(r"changed=(\d+)", recap))


def site(*arguments: str, playbook: str = "site", check: bool = True) -> Run:
    """Run site.yml, or another of the playbooks, on the hosts, as IT would."""
    return play(f"wheelhouse.onboarding.{playbook}", *arguments, check=check)


def play(playbook: str | Path, *arguments: str, inventory: Path = INVENTORY, check: bool = True) -> Run:
    """Run a playbook, by its name or file, on the hosts."""
    command = ["ansible-playbook", "-i", str(inventory), str(playbook), *arguments]
    # molecule asks for colours, which would stand between the words that tests look for
    environment = os.environ | {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert not check or done.returncode == 0, done.stdout[-8000:]
    return Run(done.returncode, done.stdout)


def vault() -> dict[str, str]:
    """The passwords of the demo by name."""
    passwords: dict[str, str] = json.loads((STATE / "vault.json").read_text())
    return passwords


def eventually(check: Callable[[], bool], what: str, seconds: int = 120) -> None:
    """Wait until `check()` is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds} s: {what}")
