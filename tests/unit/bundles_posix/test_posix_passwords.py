"""Passwords are asked for once, tried before anything is saved, and shown to nobody."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest
from doctor.office import ACCOUNT

from .company import Company, Laptop
from .test_posix_install import installs_with_pip, installs_with_uv

ODD = [
    ("a@b:c/d#e%f?&+ \"q'", "a@b:c/d#e%f?&+ \"q'"),
    pytest.param('back\\slash \\"$(id)`id`*', "\\ %41'$x", marks=pytest.mark.long),
    pytest.param("-n", "-e \\n", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("index_password", "proxy_password"), ODD)
def test_odd_passwords(laptop: Laptop, company: Company, index_password: str, proxy_password: str) -> None:
    company.index_password, company.proxy.password = index_password, proxy_password
    laptop.install(company)
    assert installs_with_pip(laptop)
    assert installs_with_uv(laptop)
    # and they are read back: nothing is asked the next time
    assert laptop.run().returncode == 0


def test_a_proxy_password_that_pip_cannot_send(laptop: Laptop, company: Company) -> None:
    """requests, and so pip, sends names and passwords in Latin-1; curl and uv send what squid and others expect."""
    company.proxy.password = "grün €"
    done = laptop.run(answers=company.answers)
    assert done.returncode == 0, done.stderr.decode()
    assert "that pip may not be able to send" in done.stderr.decode()
    assert installs_with_uv(laptop)


def test_a_wrong_password_is_told_and_nothing_is_saved(laptop: Laptop, company: Company) -> None:
    done = laptop.run(answers=["wrong", "also wrong", "still wrong"])
    assert done.returncode == 1
    assert done.stderr.decode().count("localhost does not accept that for ada. Try again.") == 3
    assert laptop.holds() == {}
    done = laptop.run(answers=[company.index_password, "wrong", "", "still wrong"])
    assert done.returncode == 1
    assert done.stderr.decode().count(f"The proxy does not accept that for {ACCOUNT}") == 2
    assert laptop.holds() == {}


def test_a_mistyped_password_is_asked_for_again(laptop: Laptop, company: Company) -> None:
    done = laptop.run(answers=["wröng", "wrong", company.index_password, "wrong", company.proxy.password])
    assert done.returncode == 0, done.stderr.decode()
    assert "a letter which passwords for localhost never have" in done.stderr.decode()


def test_a_changed_password_is_asked_for_at_the_next_run(laptop: Laptop, company: Company) -> None:
    laptop.install(company)
    company.index_password = company.proxy.password = "the new one"
    done = laptop.run(answers=company.answers)
    assert done.returncode == 0, done.stderr.decode()
    assert "that was saved on this computer is no longer accepted" in done.stderr.decode()
    everything = b"".join(content for _, _, content in laptop.holds().values() if isinstance(content, bytes))
    assert b"index-secret-81" not in everything
    assert installs_with_pip(laptop)


def test_what_keeps_it_from_asking_is_said(laptop: Laptop, company: Company) -> None:
    company.proxy.schemes = ["Negotiate", "NTLM"]
    done = laptop.run(answers=[company.index_password, "whatever"])
    assert (done.returncode, laptop.holds()) == (1, {})
    assert "takes no password of the kind" in done.stderr.decode()
    company.proxy.schemes = ['Basic realm="proxy"']
    settings = laptop.bundle / "settings"
    settings.write_text(settings.read_text().replace("localhost:", "nowhere.invalid:"))
    (laptop.bin / "sha256sum").symlink_to("/bin/true")
    done = laptop.run(answers=company.answers)
    assert (done.returncode, laptop.holds()) == (1, {})
    assert "does not answer. Are you in the company's network" in done.stderr.decode()


def test_an_index_that_a_stranger_vouches_for_is_sent_nothing(laptop: Laptop, company: Company) -> None:
    (laptop.bundle / "ca.pem").write_text("")
    (laptop.bin / "sha256sum").symlink_to("/bin/true")
    done = laptop.run(answers=company.answers)
    assert (done.returncode, laptop.holds()) == (1, {})
    assert "a certificate that neither this computer nor the company vouches for" in done.stderr.decode()


@pytest.mark.parametrize("shell", [shell for shell in ("dash", "bash", "zsh") if shutil.which(shell)])
def test_nothing_is_shown_on_a_terminal(laptop: Laptop, company: Company, shell: str) -> None:
    """Neither what is typed, nor the password in any other way; and the terminal echoes again afterwards."""
    ours, theirs = pty.openpty()
    command = f'{shell} "{laptop.bundle}/install.sh"; stty -a'
    child = subprocess.Popen(["sh", "-c", command], env=laptop.environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown, answers = b"", [*company.answers]
    while True:
        try:
            more = os.read(ours, 4096)
        except OSError:
            break
        shown += more
        if answers and shown.endswith(b"): "):
            shown += b"<typed>"
            os.write(ours, answers.pop(0).encode() + b"\n")
    assert child.wait(10) == 0, shown.decode()
    assert shown.count(b"<typed>") == 2
    assert company.index_password.encode() not in shown
    assert company.proxy.password.encode() not in shown
    assert b" echo " in shown.rpartition(b"Done.")[2]


def test_no_password_is_an_argument_or_in_the_environment_of_a_command(laptop: Laptop, company: Company) -> None:
    """Everybody on a computer can read the arguments of everybody's commands."""
    log = laptop.home.parent / "commands"
    for command in (
        "awk",
        "sed",
        "curl",
        "od",
        "tr",
        "cat",
        "cp",
        "mv",
        "cmp",
        "grep",
        "tail",
        "wc",
        "dirname",
        "chmod",
    ):
        real = shutil.which(command)
        (laptop.bin / command).write_text(
            f'#!/bin/sh\n{{ printf "%s\\n" "{command}" "$@"; env; }} >> "{log}"\nexec {real} "$@"\n'
        )
        (laptop.bin / command).chmod(0o755)
    laptop.install(company)
    assert laptop.run().returncode == 0
    said = log.read_text()
    assert said.count("\ncurl\n") == 4  # and so the commands were really watched
    for secret in (company.index_password, company.proxy.password, "pa%3Ass%2Fw%40rd%231%25%207"):
        assert secret not in said


def test_without_curl_passwords_are_saved_and_that_is_said(laptop: Laptop, company: Company) -> None:
    for directory in map(Path, ("/usr/bin", "/bin")):
        for command in directory.iterdir():
            if command.name != "curl" and not (laptop.bin / command.name).exists():
                (laptop.bin / command.name).symlink_to(command)
    laptop.environ["PATH"] = str(laptop.bin)
    done = laptop.run(answers=company.answers)
    assert done.returncode == 0, done.stderr.decode()
    assert "There is no curl" in done.stderr.decode()
    laptop.environ["PATH"] = "/usr/bin:/bin"
    assert installs_with_pip(laptop)
