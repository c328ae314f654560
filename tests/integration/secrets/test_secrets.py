"""Every password is changed in one run, told as loudly as Ansible can. Afterwards none, old or new, is anywhere it should not be.

The secrets are their own sentinels: random, and searched for as they are, percent-encoded, in base64 and escaped.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
from urllib.parse import quote

import pytest
from company import INVENTORY, ROOT, STATE, host_of, site, vault

HOSTS = ("index", "jupyter", "workstation")

# Runs on the hosts during the run: remembers the command lines of all processes, since most live for milliseconds.
WATCH = r"""
import glob, os, time
seen = set()
out = open("/run/command-lines", "w")
while not os.path.exists("/run/stop-watching"):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            line = open(path, "rb").read()
        except OSError:
            continue
        if line not in seen:
            seen.add(line)
            out.write(line.replace(b"\0", b" ").decode(errors="replace") + "\n")
            out.flush()
    time.sleep(0.005)
"""

# Files anybody may read, below directories anybody may enter.
READABLE = r"""
import json, os, stat, sys
needles = {name: [n.encode() for n in forms] for name, forms in json.load(sys.stdin).items()}
skipped = ("/proc", "/sys", "/dev", "/usr/share", "/usr/lib", "/var/lib/docker", "/var/lib/containerd", "/opt/wheelhouse")
found = []
for top, directories, files in os.walk("/"):
    directories[:] = [d for d in directories if os.path.join(top, d) not in skipped and os.lstat(os.path.join(top, d)).st_mode & stat.S_IXOTH]
    for name in files:
        path = os.path.join(top, name)
        s = os.lstat(path)
        if stat.S_ISREG(s.st_mode) and s.st_mode & stat.S_IROTH and s.st_size < 20_000_000:
            content = open(path, "rb").read()
            found += [[path, secret] for secret, forms in needles.items() if any(form in content for form in forms)]
print(json.dumps(found))
"""


def forms(secret: str, user: str = "") -> list[str]:
    """How a secret may be spelled: plain, in a URL, in a JSON or Python string, in an Authorization header."""
    spelled = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    spelled.add(base64.b64encode(f"{user}:{secret}".encode()).decode())
    return sorted(spelled)


def tokens() -> dict[str, str]:
    """The Jupyter tokens, which are made on the host."""
    jupyter = host_of("jupyter")
    files = jupyter.check_output("find /etc/wheelhouse/jupyter/tokens -type f").split()
    return {file: jupyter.check_output("cat %s", file).strip() for file in files}


def new_passwords() -> dict[str, str]:
    """Passwords like those that `make demo` makes."""
    spec = importlib.util.spec_from_file_location("credentials", ROOT / "tests" / "hosts" / "credentials.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.passwords()


@pytest.fixture(scope="module")
def told() -> dict:
    """The run that changes every password: what Ansible said, what ran, and the secrets by name."""
    old, new = vault(), new_passwords()
    for role in HOSTS:
        host = host_of(role)
        host.check_output("rm -f /run/stop-watching")
        subprocess.run(["docker", "exec", "-d", host.backend.name, "python3", "-c", WATCH], check=True)
    (STATE / "vault.json").write_text(json.dumps(new))
    subprocess.run(
        ["ansible-playbook", "-i", str(INVENTORY), str(ROOT / "tests/hosts/create.yml")],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    run = site("-vvv", "--diff")
    for role in HOSTS:
        host_of(role).check_output("touch /run/stop-watching")
    subprocess.run(
        ["ansible-playbook", "-i", str(INVENTORY), str(ROOT / "tests/hosts/access.yml")],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    users = {"ada_index": "ada", "leo_index": "leo", "machines_index": "machines", "ci_index": "ci-acme-hello"}
    secrets = {
        f"{when} {name}": forms(secret, users.get(name, ""))
        for when, all_ in (("old", old), ("new", new))
        for name, secret in all_.items()
    }
    secrets |= {f"token {name}": forms(secret) for name, secret in tokens().items()}
    return {"run": run, "secrets": secrets}


def found_in(text: str, secrets: dict[str, list[str]]) -> list[str]:
    return [name for name, spelled in secrets.items() if any(form in text for form in spelled)]


def test_the_run_changed_every_password(told) -> None:
    assert told["run"].changed >= 6
    assert len(told["secrets"]) >= 14, "the Jupyter tokens were not found"


def test_ansible_says_none_of_them(told) -> None:
    assert found_in(told["run"].output, told["secrets"]) == []


@pytest.mark.parametrize("role", HOSTS)
def test_no_command_line_holds_one(told, role) -> None:
    lines = host_of(role).file("/run/command-lines").content_string
    assert len(lines.splitlines()) > 20, "the watcher saw nothing"
    assert found_in(lines, told["secrets"]) == []


def test_docker_inspect_shows_none(told) -> None:
    index = host_of("index")
    containers = index.check_output("docker ps --all --quiet --no-trunc").split()
    assert containers
    shown = index.check_output("docker inspect %s $(docker images --quiet)", containers[0]) + index.check_output(
        "docker info"
    )
    shown += index.check_output("docker history --no-trunc $(docker images --quiet | head -n 1)")
    assert found_in(shown, told["secrets"]) == []


@pytest.mark.parametrize("role", HOSTS)
def test_systemd_shows_none(told, role) -> None:
    assert found_in(host_of(role).check_output("systemctl show '*'"), told["secrets"]) == []


@pytest.mark.parametrize("role", HOSTS)
def test_no_log_holds_one(told, role) -> None:
    host = host_of(role)
    everything = "journalctl --no-pager --output cat; find /var/log -type f -not -name '*.journal' -exec cat {} +"
    logs = host.run(everything).stdout_bytes.decode(errors="replace")
    assert len(logs) > 10_000
    assert found_in(logs, told["secrets"]) == []


@pytest.mark.parametrize("role", HOSTS)
def test_no_file_that_others_can_read_holds_one(told, role) -> None:
    command = ["docker", "exec", "-i", host_of(role).backend.name, "python3", "-c", READABLE]
    done = subprocess.run(command, input=json.dumps(told["secrets"]), text=True, check=True, capture_output=True)
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("role", HOSTS)
def test_the_old_ones_are_nowhere(told, role) -> None:
    old = [form for name, spelled in told["secrets"].items() if name.startswith("old ") for form in spelled]
    patterns = "\n".join(old)
    found = host_of(role).run(
        "printf %%s %s | grep -rlF --file=- /etc /home /root /srv /opt/wheelhouse/*/ /run /var/lib/wheelhouse /tmp /var/tmp",
        patterns,
    )
    assert found.stdout == ""


@pytest.mark.parametrize("name", ["ada", "leo"])
def test_the_new_ones_work(told, office, name) -> None:
    office.succeed_as(
        name, "uv venv -q --clear venv-new && uv pip install -q --no-cache --python venv-new/bin/python idna"
    )


def test_nothing_of_the_company_is_in_the_repository(told) -> None:
    tracked = subprocess.run(
        ["git", "grep", "-lF", *[w for s in told["secrets"].values() for f in s for w in ("-e", f)]],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert tracked.stdout == ""
