"""A workstation that pulls: it is enrolled, takes what fleet.yml publishes and nothing else, and reports how that went."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator

import pytest
import yaml
from company import INVENTORY, STATE, Run, play
from gateway import Gateway
from testinfra.host import Host

HOST = "wheelhouse-workstation"
PULL = "systemctl start wheelhouse-pull"
BATCHES = ("-e", "wheelhouse_serial=20%", "-e", "wheelhouse_max_fail_percentage=10")
RECORD = "/var/lib/wheelhouse/runs/pull.json"
RELEASE = "/srv/wheelhouse/fleet/release"


class Fleet:
    """IT with an inventory of its own, in which the workstation is a canary, and that host."""

    def __init__(self, workstation: Host) -> None:
        self.workstation = workstation
        self.batches: Run | None = None
        # where it finds what the demo's inventory has beside it
        self.inventory = STATE / "inventory"
        shutil.rmtree(self.inventory, ignore_errors=True)
        shutil.copytree(INVENTORY, self.inventory)
        # as docs/fleets.md has it
        home = STATE / "home"
        shutil.rmtree(home, ignore_errors=True)
        (home / ".ssh").mkdir(parents=True)
        make = 'ssh-keygen -t ed25519 -N "" -C release -f ~/.ssh/wheelhouse-release'
        subprocess.run(make, shell=True, check=True, env=os.environ | {"HOME": str(home)}, stdout=subprocess.DEVNULL)
        key = home / ".ssh/wheelhouse-release"
        self.write("fleet.yml", {"canaries": {"hosts": {HOST: {}}}})
        self.write(
            "group_vars/all/zz_fleet.yml",
            {
                "fleet_signing_key": str(key),
                "fleet_signers": [key.with_name("wheelhouse-release.pub").read_text().strip()],
                "fleet_wait_minutes": 10,
            },
        )
        # as hosts that pull need it: no file of the controller
        no_file = {"package_client_conda_installer": "", "package_client_conda_installer_sha256": ""}
        self.write(f"host_vars/{HOST}.yml", no_file)

    def write(self, name: str, content: object) -> None:
        (self.inventory / name).parent.mkdir(exist_ok=True)
        (self.inventory / name).write_text(yaml.safe_dump(content))

    def play(self, playbook: str, *arguments: str, check: bool = True) -> Run:
        return play(f"wheelhouse.onboarding.{playbook}", *arguments, inventory=self.inventory, check=check)

    def publish(self, *arguments: str, check: bool = True) -> Run:
        """Run fleet.yml, while the host looks more often than every hour."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(5):
                self.workstation.run(PULL)

        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        try:
            return self.play("fleet", *arguments, check=check)
        finally:
            over.set()
            looking.join()

    def record(self) -> dict:
        found: dict = json.loads(self.workstation.check_output(f"cat {RECORD}"))
        return found


@pytest.fixture(scope="module")
def fleet(workstation: Host, index: Host) -> Iterator[Fleet]:
    fleet = Fleet(workstation)
    fleet.batches = fleet.play("site", "--limit", HOST, "--tags", "clients", *BATCHES)
    fleet.play("enroll", "--limit", HOST)
    yield fleet
    fleet.play("enroll", "--limit", HOST, "-e", "fleet_state=absent")
    shutil.rmtree(fleet.inventory)
    index.check_output("rm -rf /srv/wheelhouse/fleet /srv/wheelhouse/config/fleet-signers")


@pytest.fixture(scope="module")
def published(fleet: Fleet) -> Run:
    return fleet.publish("-e", "wheelhouse_serial=20%")


def test_enrolling_twice_changes_nothing(fleet: Fleet) -> None:
    known = (fleet.inventory / "enrolled.generated.yml").read_text()
    assert yaml.safe_load(known)["enrolled_hosts"]["hosts"][HOST]["fleet_key"].startswith("ssh-ed25519 ")
    assert fleet.play("enroll", "--limit", HOST).changed == 0
    assert (fleet.inventory / "enrolled.generated.yml").read_text() == known


def test_an_enrolled_host_is_left_alone(fleet: Fleet) -> None:
    run = fleet.play("site", "--limit", HOST, "--tags", "clients", check=False)
    assert "skipping: no hosts matched" in run.output and "ok=1 " in run.output.rpartition("PLAY RECAP")[2]


def test_the_host_takes_the_release_and_reports(fleet: Fleet, published: Run) -> None:
    assert "works on 1 hosts." in published.output
    record = fleet.record()
    assert (record["outcome"], record["problems"]) == ("ok", []), record
    assert "wheelhouse-pull.service" in fleet.workstation.run("systemctl status wheelhouse-pull").stdout
    site = json.loads(fleet.workstation.check_output("cat /var/lib/wheelhouse/runs/site.json"))
    assert site["ended"] >= record["started"][:10]
    said = fleet.play("status").output
    assert "Enrolled hosts (1), with their last report:" in said
    assert f"{HOST}  {record['facts']['version']}, release of" in said and "behind" not in said.partition(HOST)[2][:120]


def test_nothing_changes_on_the_host_without_a_reason(fleet: Fleet, published: Run) -> None:
    fleet.workstation.check_output('sed -i \'s/"applied": [0-9]*/"applied": 0/\' /var/lib/wheelhouse/fleet/state.json')
    fleet.workstation.check_output(PULL)
    said = fleet.workstation.check_output("journalctl -u wheelhouse-pull -o cat -n 200")
    recap = next(line for line in reversed(said.splitlines()) if line.startswith(HOST))
    assert "changed=0" in recap and "failed=0" in recap, said[-6000:]


def test_what_changes_in_the_vault_arrives(fleet: Fleet, published: Run) -> None:
    fleet.write(
        "group_vars/all/contact.yml", {"wheelhouse_contact": "helpdesk@acme.example", "package_client_audits": False}
    )
    before = fleet.record()["facts"]["number"]
    fleet.publish()
    assert fleet.record()["facts"]["number"] > before
    assert not fleet.workstation.file("/etc/profile.d/wheelhouse-audit.sh").exists
    (fleet.inventory / "group_vars/all/contact.yml").unlink()
    fleet.publish()
    assert fleet.workstation.file("/etc/profile.d/wheelhouse-audit.sh").exists


def test_secrets_stay_encrypted_and_are_the_hosts_own(fleet: Fleet, published: Run, office) -> None:
    host = fleet.workstation
    vault = json.loads((STATE / "vault.json").read_text())
    for name, secret in vault.items():
        found = host.run("grep -rlF -e %s /var/lib/wheelhouse/fleet /etc/wheelhouse/fleet /run/systemd", secret)
        assert found.stdout == "", name
    inventory = host.check_output("wheelhouse-pull --list")
    assert vault["ada_proxy"].split("@")[0] in inventory
    for name in ("backup", "ci_index", "ada_index"):
        assert vault[name] not in inventory, name
    for command in ("cat /etc/wheelhouse/fleet/key", "ls /var/lib/wheelhouse/fleet", "wheelhouse-pull --list"):
        assert office.run_as("ada", command).rc != 0


def test_an_old_release_is_refused(fleet: Fleet, published: Run, index: Host) -> None:
    index.check_output(f"cp {RELEASE} /root/old-release")
    fleet.publish()
    index.check_output(f"cp {RELEASE} /root/new-release && cp /root/old-release {RELEASE}")
    assert fleet.workstation.run(PULL).rc != 0
    assert "an older one is refused" in fleet.record()["problems"][0]
    said = fleet.play("status").output
    assert "FAILED The index offers the release" in said
    index.check_output(f"cp /root/new-release {RELEASE}")
    fleet.workstation.check_output(PULL)
    assert fleet.record()["outcome"] == "ok"


def test_a_release_that_fails_goes_no_further(fleet: Fleet, published: Run) -> None:
    """The canary cannot follow it, since something else is where a file belongs; and so nobody else gets it."""
    fleet.workstation.check_output(
        "mv /etc/pip.conf /etc/pip.conf.kept && mkdir /etc/pip.conf && touch /etc/pip.conf/x"
    )
    try:
        run = fleet.publish(check=False)
    finally:
        fleet.workstation.check_output("rm -r /etc/pip.conf && mv /etc/pip.conf.kept /etc/pip.conf")
    assert run.rc != 0 and "so it goes no further" in run.output, run.output[-4000:]
    assert run.output.count("TASK [wheelhouse.onboarding.fleet : Give the release") == 1
    fleet.publish()
    assert fleet.record()["outcome"] == "ok"


def test_what_the_gateway_shows_and_takes(fleet: Fleet, published: Run, gateway: Gateway) -> None:
    assert gateway.ask("/fleet/release", login=None).status == 200
    release = json.loads(json.loads(gateway.ask("/fleet/release", login=None).body)["release"])
    (mine,) = release["hosts"].values()
    assert gateway.ask(f"/fleet/files/{mine['sha256']}", login=None).body.startswith(b"-----BEGIN AGE")
    assert HOST not in json.dumps(release)
    for path in (
        "/fleet/",
        "/fleet/files/",
        "/fleet/files/../../config/htpasswd",
        "/fleet/files/x",
        "/fleet/heartbeat",
    ):
        assert gateway.ask(path, login=None).status in (401, 404), path
