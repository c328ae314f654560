"""What people's own files and machines do to `jupyter-tunnel`: it works all the same, or says in a sentence what hinders it."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator

import pytest

HOST = "wheelhouse-jupyter"


@contextlib.contextmanager
def beginning(office, on: str, file: str, text: str) -> Iterator[None]:
    """Some lines at the beginning of one of Ada's files, and the file as it was afterwards."""
    # by root, whom no start file hinders
    host, path = office.host(on), f"/home/ada/{file}"
    host.check_output(
        f"su ada -s /bin/sh -c 'mkdir -p {path.rpartition('/')[0]}; touch {path}'; cp -p {path} {path}.kept"
    )
    host.check_output(f"printf %s {shlex.quote(text)} | cat - {path}.kept >{path}")
    try:
        yield
    finally:
        host.check_output(f"mv {path}.kept {path}")


def call(office, words: str = "jupyter-tunnel --no-browser --wait 60"):
    """A new tunnel of Ada's; what it says, in which no token and no traceback is."""
    office.run_as("ada", "jupyter-tunnel --stop")
    done = office.run_as("ada", words)
    assert "Traceback" not in done.stderr and not re.search("[0-9a-f]{64}", done.stderr), done.stderr
    return done


def works(done) -> None:
    assert done.rc == 0 and done.stdout.count("\n") == 1 and "/lab?token=" in done.stdout, done.stdout + done.stderr


def says(done, code: int, *words: str) -> None:
    assert (done.rc, done.stdout) == (code, ""), done.stdout + done.stderr
    assert [word for word in words if word not in done.stderr] == [], done.stderr


# what start files print, before the answer and after it, on a line or without its end, an object like the answer among it
TALK = """
echo Welcome
echo '{"person": "eve"}'
seq 100000
echo hm >&2
trap 'echo Goodbye' EXIT
printf no-line-end
"""


def test_what_the_shell_on_the_host_prints_is_no_hindrance(office) -> None:
    with beginning(office, "jupyter", ".bashrc", TALK):
        works(call(office))


@pytest.mark.parametrize("text", ["exit 7\n", "exec true\n"])
def test_a_shell_that_ends_is_named(office, text: str) -> None:
    with beginning(office, "jupyter", ".bashrc", text):
        says(call(office), 8, HOST, "~/.bashrc")


@pytest.mark.parametrize("tty", ["force", "yes"])
def test_settings_of_ones_own_are_no_hindrance(office, tty: str) -> None:
    settings = [
        "RemoteCommand tmux attach",
        f"RequestTTY {tty}",
        "LogLevel QUIET",
        "ControlMaster auto",
        "PermitLocalCommand yes",
    ]
    with beginning(office, "workstation", ".ssh/config", "Host *\n  " + "\n  ".join(settings) + "\n"):
        works(call(office))


def test_modules_of_ones_own_are_no_hindrance(office) -> None:
    """PYTHONPATH, on the workstation and on the host, leads to one that goes by the name of one of Python's."""
    plant = "mkdir -p own && echo 'raise SystemExit(3)' | tee own/json.py own/socket.py own/sitecustomize.py >/dev/null"
    for on in ("workstation", "jupyter"):
        office.succeed_as("ada", plant, on=on)
    try:
        with beginning(office, "jupyter", ".bashrc", "export PYTHONPATH=$HOME/own PYTHONSTARTUP=$HOME/own/json.py\n"):
            works(call(office, "PYTHONPATH=$HOME/own jupyter-tunnel --no-browser"))
    finally:
        for on in ("workstation", "jupyter"):
            office.host(on).check_output("rm -r /home/ada/own")


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("ProxyJump [127.0.0.1]:1", "Connection refused"),
        ("ProxyJump jump.acme.example", "jump.acme.example"),
        ("ProxyCommand false", "false"),
    ],
)
def test_a_way_that_fails_is_named(office, setting: str, word: str) -> None:
    with beginning(office, "workstation", ".ssh/config", f"Host {HOST}\n  {setting}\n"):
        says(call(office), 4, f"The way to {HOST} leads over {setting.split()[1]}", word)


def test_a_mistake_in_ones_settings_is_shown(office, workstation) -> None:
    works(call(office))
    with beginning(office, "workstation", ".ssh/config", "Hots *\n"):
        # a tunnel that is up is used, and ended, all the same
        works(office.run_as("ada", "jupyter-tunnel --no-browser"))
        says(call(office), 1, "Bad configuration option: hots")
        assert workstation.run("pgrep --euid ada --exact ssh").rc != 0


def test_a_long_home_is_no_hindrance(office) -> None:
    """The path of a socket has about a hundred characters."""
    state = "$HOME/" + "long/" * 25
    try:
        works(call(office, f"XDG_STATE_HOME={state} jupyter-tunnel --no-browser"))
        assert "answers" in office.succeed_as("ada", f"XDG_STATE_HOME={state} jupyter-tunnel --status")
    finally:
        office.succeed_as("ada", f"XDG_STATE_HOME={state} jupyter-tunnel --stop; rm -r long")


@pytest.mark.parametrize("closed", ["<&-", "<&- 2>&-"])
def test_closed_streams_are_no_hindrance(office, closed: str) -> None:
    works(call(office, f"jupyter-tunnel --no-browser {closed}"))


@pytest.mark.parametrize("words", ["--status", "--no-browser"])
def test_a_closed_output_is_no_hindrance(office, words: str) -> None:
    call(office)
    done = office.run_as("ada", f"jupyter-tunnel {words} >&-")
    assert (done.rc, done.stderr) == (0, "")


def test_a_full_disk_is_named(office, workstation) -> None:
    office.run_as("ada", "jupyter-tunnel --stop")
    workstation.check_output(
        "mkdir -p /mnt/full && mount -t tmpfs -o size=64k,mode=1777 full /mnt/full; dd if=/dev/zero of=/mnt/full/rest bs=1k 2>/dev/null; true"
    )
    try:
        done = call(office, "XDG_STATE_HOME=/mnt/full jupyter-tunnel --no-browser")
        assert done.rc == 1 and done.stdout == "" and "no room left on the disk" in done.stderr, done.stderr
        # and nothing is left that nobody knows of
        assert workstation.run("pgrep --euid ada ssh").rc != 0
        assert call(office, "XDG_STATE_HOME=/mnt/full jupyter-tunnel --status").rc == 3
    finally:
        office.run_as("ada", "XDG_STATE_HOME=/mnt/full jupyter-tunnel --stop")
        workstation.check_output("umount --lazy /mnt/full && rmdir /mnt/full")


def test_somebody_without_a_jupyterlab_is_told_so(office, workstation) -> None:
    workstation.check_output("useradd --create-home --shell /bin/bash eve")
    try:
        office.succeed_as("eve", "mkdir -m 700 .ssh; ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519")
        done = office.run_as("eve", "jupyter-tunnel --no-browser")
        says(done, 8, "You have no JupyterLab", "`jupyter: true`")
    finally:
        workstation.check_output("userdel --remove --force eve 2>/dev/null; true")


def test_what_it_says_ends_with_the_line(office) -> None:
    call(office)
    for words, code in (("--status", 0), ("--stop", 0), ("--status", 3)):
        done = office.run_as("ada", f"jupyter-tunnel {words} 2>&1")
        assert done.rc == code and done.stdout.endswith("\n"), done.stdout
