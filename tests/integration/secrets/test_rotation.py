"""One run of rotate.yml changes every secret while people are at work: they do not notice, and the old ones are good no longer."""

from __future__ import annotations

import pytest
from adversaries import NAMES
from asking import index_status, jupyter_says, said, tokens
from change import new_passwords, write_vault
from company import Office, host_of, site, vault
from search import HOSTS, files_with, forms
from testinfra.host import Host


def test_nobody_at_work_noticed(rotated) -> None:
    assert rotated["complaints"] == dict.fromkeys(rotated["complaints"], "")
    assert min(rotated["turns"].values()) >= 3


def test_the_run_says_what_it_replaced(rotated) -> None:
    told = said(rotated["run"])
    assert f"New at the index: the passwords of ada, ci-acme-hello, leo, machines, {', '.join(sorted(NAMES))}." in told
    assert "The index refuses the old ones." in told
    assert "New at the proxy: the logins of" in told and "the machines" in told
    assert "New tokens for the index: ada on wheelhouse-jupyter, " in told
    assert f"New tokens for the JupyterLabs of ada, leo, {', '.join(NAMES)}." in told
    assert "The index has a new certificate." in told
    assert "Off" not in told


def test_the_old_index_passwords_are_refused(rotated, before, workstation: Host) -> None:
    for name in ("ada", "leo", "machines"):
        assert index_status(workstation, name, vault()[f"{name}_index"]) == 200
        assert index_status(workstation, name, before["vault"][f"{name}_index"]) == 401


def test_the_new_proxy_password_is_in_use(rotated, office: Office) -> None:
    """In a new shell; squid knows no other."""
    office.succeed_as("leo", "uv pip install -q --no-cache --target loop-public idna")


def test_the_old_token_is_refused_and_the_kernel_lives(rotated, before, jupyter: Host) -> None:
    new, old = tokens(jupyter)["ada"], before["tokens"]["ada"]
    assert jupyter_says(jupyter, old, "GET", "/api/kernels")[0] == 403
    status, kernels = jupyter_says(jupyter, new, "GET", "/api/kernels")
    assert (status, before["kernel"] in kernels) == (200, True)
    assert jupyter.check_output("systemctl show --value --property=MainPID jupyterlab@ada") == before["server"]


def test_the_old_ca_is_trusted_nowhere(rotated, before) -> None:
    line = before["ca"].splitlines()[5]
    for role in HOSTS:
        assert files_with(role, [line]) == ""
        assert line not in host_of(role).file("/etc/ssl/certs/ca-certificates.crt").content_string


@pytest.mark.parametrize("role", HOSTS)
def test_the_old_ones_are_in_no_file(rotated, before, role) -> None:
    hashes = [line.split(":")[1] for line in before["hashes"]]
    # a repository of backups keeps its password: no backup could be read without it
    replaced = [one for name, one in before["vault"].items() if name != "backup"]
    old = [
        form for one in (*replaced, *before["tokens"].values(), *before["index_tokens"].values()) for form in forms(one)
    ]
    found = files_with(role, [*old, *hashes]).splitlines()
    # nobody could enter this home, so its old files are still there, with a password that is refused
    assert [file for file in found if not file.startswith("/home/mallory-locked/")] == []


def written() -> dict[str, str]:
    """Digests of all that a rotation writes."""
    command = "find /etc/wheelhouse /srv/wheelhouse/config /home/*/.netrc /home/*/.pypirc /root/.netrc /etc/nginx -type f -size -2M"
    return {role: host_of(role).run(command + " -exec sha256sum {} + | sort").stdout for role in HOSTS}


def test_a_password_that_the_proxy_refuses_changes_nothing(rotated) -> None:
    """Ada's is wrong, and everybody's index password is new: nobody is given any of them."""
    good, before = vault(), written()
    write_vault(new_passwords("index") | {"ada_proxy": "not what the proxy knows"})
    try:
        run = site(playbook="rotate", check=False)
    finally:
        write_vault(good)
    assert run.rc != 0
    told = " ".join(run.output.split())
    assert "The proxy does not accept the password of ada." in told and "Nothing was changed" in told
    assert "not what the proxy knows" not in run.output
    assert all(len(digests) > 200 for digests in before.values())
    assert written() == before
