"""Workstations for the benchmark of fleets: one that site.yml has set up, copied as often as they are needed.

Each copy is a container with systemd and sshd, a name, an address, a machine ID and SSH host keys of its own, and one
person who works on it. Ansible reaches the copies and the index by SSH, as in a company. The inventory, the keys and
the passwords are in a directory of the benchmark's own, which goes with it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cpu
from cpu import CommandFailed, Cost, Engine
from host import Host, Progress

ROOT = Path(__file__).resolve().parents[2]
CALLBACKS = Path(__file__).parent / "callbacks"
INVENTORY = ROOT / "inventories" / "demo" / "group_vars"
TEMPLATE = "wheelhouse-workstation"
"""The demo's workstation, which becomes the image of the others."""
INDEX = "wheelhouse-index"
FORKS = 20
"""In runs that are not measured."""
LIMIT = 3600
"""Seconds that one run of a playbook may take."""
WATCHES = "/proc/sys/fs/inotify/max_user_instances"
WATCHES_EACH = 16
"""More than a container with systemd has; they all count for one root."""
PULL = "/opt/wheelhouse/ansible/bin/ansible-playbook"


@dataclass(frozen=True)
class Run:
    """A run of a playbook."""

    cost: Cost
    hosts_cpu: float
    """Seconds of processor time of the workstations together."""
    index_cpu: float
    """The same of the index."""
    tasks: int
    """Once for all hosts."""
    results: int
    """Once for each host, also where a task is skipped."""
    skipped: int
    retries: int
    changed: list[str]


class Fleet:
    """The company's hosts; a context that removes at its end what it made."""

    def __init__(self, state: Path, engine: Engine, progress: Progress) -> None:
        self._state = state.resolve()
        self._suffix = self._state.name.removeprefix(".demo")
        self._engine, self._progress = engine, progress
        self._image = f"wheelhouse-bench-workstation:{self._suffix.strip('-') or 'demo'}"
        self._hosts: list[str] = []
        self._watches = ""
        self._passwords: dict[str, str] = {}

    def __enter__(self) -> Fleet:
        self._remove()  # what a run left that was killed
        self._place = Path(tempfile.mkdtemp(prefix="wheelhouse-fleet-"))
        self.index = Host(self.container(INDEX))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.say("Removing the workstations")
        self._remove()
        if self._watches:
            Path(WATCHES).write_text(self._watches, encoding="ascii")
        shutil.rmtree(self._place)

    def container(self, host: str) -> str:
        """Its name."""
        return f"{host}{self._suffix}"

    @property
    def hosts(self) -> list[str]:
        """The names of the workstations that are there."""
        return list(self._hosts)

    @property
    def inventory(self) -> Path:
        """The directory."""
        return self._place / "inventory"

    # --- the hosts

    def set_up(self, most: int) -> None:
        """Set the index and the template up, and make the image. `most` is how many workstations there will be."""
        self._enough_watches(most)
        (self._place / "home").mkdir()
        for name in ("ssh", "release"):
            key = self._place / "home" / name
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True)
        self._write_settings()
        self._write_hosts({TEMPLATE: {}}, connection="community.docker.docker")
        self.play("site")
        self.play("enroll")
        (self.inventory / "enrolled.generated.yml").unlink()
        template = Host(self.container(TEMPLATE))
        for host in (template, self.index):
            host.shell("apt-get update -qq && apt-get install -qq -y --no-install-recommends openssh-server >/dev/null")
            host.write("/root/.ssh/authorized_keys", (self._place / "home/ssh.pub").read_text(encoding="ascii"))
        # What makes a host that host. The units would be enabled at the first boot, before the host has a key.
        template.shell(
            "rm -rf /etc/ssh/ssh_host_* /etc/wheelhouse/fleet/key* /var/lib/wheelhouse/fleet"
            " /etc/systemd/system/wheelhouse-pull.* /etc/systemd/system/*.wants/wheelhouse-pull.*\n"
            ": >/etc/machine-id"
        )
        self._docker("stop", "-t", "60", self.container(TEMPLATE))
        self._docker("commit", self.container(TEMPLATE), self._image)

    def grow(self, number: int) -> None:
        """Start as many more that there are `number`, and set each up for its person."""
        new = [f"ws-{one:03}" for one in range(len(self._hosts) + 1, number + 1)]
        self._hosts += new
        self._write_settings()
        self._write_hosts({host: {"ansible_host": self.container(host)} for host in self._hosts}, connection="ssh")
        # the proxy, since it learns their people's passwords
        self.ansible(ROOT / "demo/create.yml", "--limit", ",".join(["proxy_hosts", *new]))
        for host in new:
            Host(self.container(host)).shell("ssh-keygen -q -A && systemctl restart ssh")
        self._write_ssh()
        self.play("site")

    def leave_out_ansible(self) -> None:
        """Have all workstations but the first one do nothing where they would apply a release."""
        for host in self._hosts[1:]:
            Host(self.container(host)).shell(
                f"printf '#!/bin/sh\\nexit 0\\n' >{PULL}.new && chmod 755 {PULL}.new && mv {PULL}.new {PULL}"
            )

    def _enough_watches(self, number: int) -> None:
        """Raise the kernel's limit of inotify, which is for a root that has few containers."""
        before = Path(WATCHES).read_text(encoding="ascii").strip()
        needed = (number + 8) * WATCHES_EACH
        if int(before) < needed:
            try:
                Path(WATCHES).write_text(str(needed), encoding="ascii")
            except OSError:
                raise CommandFailed(
                    f"{number} containers with systemd need fs.inotify.max_user_instances={needed}, and it is {before}:"
                    " only root can raise it."
                ) from None
            self._watches = before

    def _remove(self) -> None:
        ours = [name for name in self._engine.names() if re.fullmatch(rf"ws-\d{{3}}{re.escape(self._suffix)}", name)]
        if ours:
            self._docker("rm", "--force", "--volumes", *ours)
        self._docker("image", "rm", "--force", self._image, check=False)

    def _docker(self, *arguments: str, check: bool = True) -> None:
        subprocess.run(
            ["docker", *arguments], check=check, timeout=600, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    # --- the inventory

    def _write_settings(self) -> None:
        """The demo's, with the people of the workstations that there are."""
        shutil.copytree(INVENTORY, self.inventory / "group_vars", dirs_exist_ok=True)
        # of hosts that are not here, and with files of this machine for conda
        for name in ("jupyter_hosts.yml", "workstations.yml", "all/adversaries.yml"):
            (self.inventory / "group_vars" / name).unlink(missing_ok=True)
        images = json.loads((self._state / "images.json").read_text(encoding="utf-8"))
        # someone has to be there before there are workstations
        people = [{"name": "ci-acme-hello", "publishes": ["acme-hello"], "index_password": "{{ demo_vault.ci_index }}"}]
        for host in self._hosts:
            number = host[3:]
            people.append(
                {
                    "name": f"person-{number}",
                    "workstations": [host],
                    "publishes": [],
                    "index_password": f"{{{{ vault_person_{number}_index }}}}",
                    "proxy_username": f"EMEA\\person-{number}",
                    "proxy_password": f"{{{{ vault_person_{number}_proxy }}}}",
                }
            )
            for what in ("index", "proxy"):
                self._passwords.setdefault(f"vault_person_{number}_{what}", secrets.token_urlsafe(15))
        home = self._place / "home"
        self._write(
            "group_vars/all/zz_bench.yml",
            {
                "demo_directory": str(self._state),
                "demo_images": images,
                "wheelhouse_people": people,
                "wheelhouse_monitoring": False,
                "fleet_signing_key": str(home / "release"),
                "fleet_signers": [(home / "release.pub").read_text(encoding="ascii").strip()],
                # the benchmark says when
                "fleet_calendar": "yearly",
                "fleet_wait_minutes": 20,
            },
        )
        self._write("group_vars/workstations.yml", {"demo_images": images | {"host": self._image}})
        self._write_vault()

    def _write_vault(self) -> None:
        """Encrypted, as a company has it: to read it is part of what a run costs."""
        password = self._place / "home/vault"
        if not password.exists():
            password.write_text(secrets.token_urlsafe(24), encoding="ascii")
        demo = json.loads((self._state / "vault.json").read_text(encoding="utf-8"))
        target = self.inventory / "group_vars/all/vault.yml"
        command = ["ansible-vault", "encrypt", "--vault-password-file", str(password), "--output", str(target), "-"]
        text = json.dumps({"demo_vault": demo, **self._passwords})
        subprocess.run(command, check=True, input=text, text=True, capture_output=True, timeout=60)

    def _write_hosts(self, workstations: dict[str, dict[str, str]], connection: str) -> None:
        by_docker = {"ansible_connection": "community.docker.docker"}
        named = {name: {"ansible_host": self.container(name)} for name in ("wheelhouse-proxy", INDEX, TEMPLATE)}
        groups = {
            "proxy_hosts": {"wheelhouse-proxy": named["wheelhouse-proxy"] | by_docker},
            "index_hosts": {INDEX: named[INDEX]},
            "workstations": {host: named.get(host, {}) | own for host, own in workstations.items()},
        }
        variables = {
            "ansible_connection": connection,
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            # what Ansible gives ssh by default, but connections live until they have been counted
            "ansible_ssh_args": f"-F {self._place}/ssh_config -C -o ControlMaster=auto -o ControlPersist={LIMIT}s",
            "ansible_control_path_dir": str(self._place / "cp"),
        }
        children = {name: {"hosts": hosts} for name, hosts in groups.items()}
        self._write("hosts.yml", {"all": {"vars": variables, "children": children}})

    def _write_ssh(self) -> None:
        """Where the hosts are, and their keys."""
        lines, known = [], []
        for host in (INDEX, *self._hosts):
            container = self.container(host)
            address = self._engine.address(container, f"wheelhouse-inside{self._suffix}")
            key = Host(container).run("cat", "/etc/ssh/ssh_host_ed25519_key.pub")
            lines += [f"Host {container}", f"    HostName {address}"]
            known.append(f"{address} {' '.join(key.split()[:2])}\n")
        lines += [
            "Host *",
            "    User root",
            f"    IdentityFile {self._place}/home/ssh",
            "    IdentitiesOnly yes",
            f"    UserKnownHostsFile {self._place}/known_hosts",
            "    StrictHostKeyChecking yes",
        ]
        (self._place / "known_hosts").write_text("".join(known), encoding="ascii")
        (self._place / "ssh_config").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _write(self, name: str, content: object) -> None:
        path = self.inventory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # JSON is YAML, too
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")

    # --- Ansible

    def play(
        self, playbook: str, *arguments: str, forks: int = FORKS, heard: Callable[[str], None] = lambda line: None
    ) -> Run:
        """Run a playbook of the collection; raises `CommandFailed`."""
        return self.ansible(f"wheelhouse.onboarding.{playbook}", *arguments, forks=forks, heard=heard)

    def ansible(
        self,
        playbook: str | Path,
        *arguments: str,
        forks: int = FORKS,
        heard: Callable[[str], None] = lambda line: None,
    ) -> Run:
        """Run a playbook; raises `CommandFailed`."""
        counted = self._place / "counted.json"
        counted.unlink(missing_ok=True)
        environment = os.environ | {
            "WHEELHOUSE_DEMO": self._suffix.strip("-"),
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "count_tasks",
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self._place / "home/vault"),
            "COUNT_TASKS_FILE": str(counted),
        }
        # the template stops when its image is made, and some hosts are only about to be started
        there = [name for name in map(self.container, self._hosts) if self._engine.runs(name)]
        before = self._engine.cpu(*there), self._engine.cpu(self.container(INDEX))
        command = ["ansible-playbook", "-i", str(self.inventory), "--forks", str(forks), str(playbook), *arguments]
        cost = cpu.run(command, limit=LIMIT, environment=environment, directory=ROOT, heard=heard)
        numbers = json.loads(counted.read_text(encoding="utf-8"))
        return Run(
            cost=cost,
            hosts_cpu=self._engine.cpu(*there) - before[0],
            index_cpu=self._engine.cpu(self.container(INDEX)) - before[1],
            tasks=numbers["tasks"],
            results=sum(numbers["results"].values()),
            skipped=numbers["results"].get("skipped", 0),
            retries=numbers["retries"],
            changed=numbers["changed"],
        )
