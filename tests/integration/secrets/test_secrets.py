"""A run that changes every password, told as loudly as Ansible can. None of them, old or new, is where it should not be.

The secrets are their own sentinels: random, and searched for as they are, percent-encoded, in base64 and escaped.
"""

from __future__ import annotations

import base64
import subprocess

import pytest
from asking import HTPASSWD, index_tokens, tokens
from change import credentials, playbook, write_vault
from company import ROOT, Run, host_of, site, vault
from search import COMMAND_LINES, HOSTS, command_lines_watched, forms, found_in, readable_with
from testinfra.host import Host

USERS = {"ada_index": "ada", "leo_index": "leo", "machines_index": "machines", "ci_index": "ci-acme-hello"}


def spelled(when: str, passwords: dict[str, str]) -> dict[str, list[str]]:
    return {f"{when} {name}": forms(secret, USERS.get(name, "")) for name, secret in passwords.items()}


def hashes(when: str, lines: list[str]) -> dict[str, list[str]]:
    """The hashes in the file of the index's accounts, which can be guessed at, and the file as Ansible fetches it."""
    file = "\n".join(lines).encode()
    whole = {f"{when} accounts": [base64.b64encode(file[: len(file) // 3 * 3]).decode()]}
    return whole | {f"{when} hash of {line.partition(':')[0]}": forms(line.partition(":")[2]) for line in lines}


def secrets_of(old: dict[str, str], jupyter: Host) -> dict[str, list[str]]:
    """How the passwords, before and after, and the tokens of now may be spelled, by name."""
    made_there = {f"token {name}": forms(token) for name, token in tokens(jupyter).items()}
    made_there |= {f"token of {name}": forms(token) for name, token in index_tokens().items()}
    return spelled("old", old) | spelled("new", vault()) | made_there


@pytest.fixture(scope="module")
def by_rotate(rotated, before, jupyter: Host, index: Host) -> tuple[Run, dict[str, list[str]]]:
    old_tokens = {f"old token {name}": forms(token) for name, token in before["tokens"].items()}
    old_tokens |= {f"old token of {name}": forms(token) for name, token in before["index_tokens"].items()}
    accounts = hashes("old", before["hashes"]) | hashes("new", index.check_output(f"cat {HTPASSWD}").split())
    return rotated["run"], secrets_of(before["vault"], jupyter) | old_tokens | accounts


@pytest.fixture(scope="module")
def by_site(rotated, jupyter: Host) -> tuple[Run, dict[str, list[str]]]:
    old = vault()
    write_vault(credentials().passwords())
    playbook("demo/create.yml")
    with command_lines_watched():
        run = site("-vvv", "--diff")
    playbook("demo/access.yml")
    return run, secrets_of(old, jupyter)


@pytest.fixture(scope="module", params=["rotate", pytest.param("site", marks=pytest.mark.long)])
def told(request) -> dict:
    """The run that changes every password: what Ansible said, and the secrets by name."""
    run, secrets = request.getfixturevalue(f"by_{request.param}")
    return {"run": run, "secrets": secrets}


def test_the_run_changed_every_password(told) -> None:
    assert told["run"].changed >= 6
    assert len(told["secrets"]) >= 14, "the Jupyter tokens were not found"


def test_ansible_says_none_of_them(told) -> None:
    assert found_in(told["run"].output, told["secrets"]) == []


@pytest.mark.parametrize("role", HOSTS)
def test_no_command_line_holds_one(told, role) -> None:
    lines = host_of(role).file(COMMAND_LINES).content_string
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
    assert readable_with(role, told["secrets"]) == []


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
