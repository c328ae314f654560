"""What one person of a team tries against another, in a notebook and in a shell, fails, and the others work on."""

from __future__ import annotations

import pytest
from colleagues import Team
from kernels import script

ATTACKER, VICTIM, BYSTANDER = "kim1", "kim2", "kim3"

# Opens a socket or a file of somebody's; prints what it got, fails where it is refused.
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
ATTACKS = {
    "the token": "cat /etc/wheelhouse/jupyter/tokens/{victim}",
    "a token of one's own for them": "echo guessed >/etc/wheelhouse/jupyter/tokens/{victim}",
    "the token's directory": "mv /etc/wheelhouse/jupyter/tokens /tmp/tokens",
    "the address": script(CONNECT, "/run/jupyter-{victim}/jupyter.sock"),
    "another socket at the address": "mv /run/jupyter-{victim} /run/moved",
    "the server itself": script(CONNECT, "/run/jupyterlab-{victim}/jupyter.sock"),
    "the keys of kernels": "ls /run/jupyterlab-{victim}",
    "the home": "ls /home/{victim}",
    "a file in the home": "cat /home/{victim}/secret.txt",
    "a file into the home": "cp /etc/passwd /home/{victim}/",
    "the environment of the server": "cat /proc/{server}/environ",
    "the memory of the server": "cat /proc/{server}/maps",
    "the files of the server": "ls /proc/{server}/root/ /proc/{server}/cwd/",
    "the life of the server": "kill {server}",
    "the service": "systemctl stop jupyterlab@{victim}",
    "the limits": "systemctl set-property --runtime jupyterlab@{victim} MemoryMax=1M",
    "the unit": "systemctl edit --full --runtime jupyterlab@{victim} </dev/null",
    "the server's log": "journalctl --quiet _PID={server} | grep .",
}


# What a kernel would take for output of a child process, were it not for the secret in front.
SEND_JUNK = """
import time, zmq
for port in {ports}:
    pusher = zmq.Context.instance().socket(zmq.PUSH)
    pusher.linger = 200
    pusher.connect(f"tcp://127.0.0.1:{{port}}")
    for junk in ([b"x"], [b"0" * 16, b"x"], [b""] * 5, [b"x" * 1_000_000]):
        pusher.send_multipart(junk)
    pusher.close()
time.sleep(1)
print("done")
"""


@pytest.fixture(scope="module")
def prey(team: Team) -> dict[str, str]:
    """A victim with a kernel that runs, and a secret in it."""
    team.run_as(VICTIM, "umask 022; echo secret >secret.txt")
    kernel = team.cells(VICTIM, "answer = 42", kernel="kept").strip()
    return {"victim": VICTIM, "server": team.main_process(VICTIM), "kernel": kernel}


def still_works(team: Team, prey: dict[str, str]) -> None:
    """The victim's kernel has what it had, their server is the same, and others can start a notebook."""
    assert team.cells(VICTIM, "print(answer)", kernel=prey["kernel"]) == "42\n"
    assert team.main_process(VICTIM) == prey["server"]
    assert team.cells(BYSTANDER, "print(1)") == "1\n"


@pytest.mark.parametrize("what", ATTACKS)
def test_an_attack_from_a_shell_fails(team: Team, prey: dict[str, str], what: str) -> None:
    command = ATTACKS[what].format(**prey)
    assert team.run_as(VICTIM, "true").rc == 0
    result = team.run_as(ATTACKER, command)
    assert result.rc != 0, f"{command}: {result.stdout}{result.stderr}"


def test_attacks_from_a_notebook_fail(team: Team, prey: dict[str, str]) -> None:
    tried = {what: command.format(**prey) for what, command in ATTACKS.items()}
    cell = f"import subprocess\nfor what, command in {tried!r}.items():\n    print(subprocess.run(command, shell=True, capture_output=True).returncode != 0, what)"
    said = team.cells(ATTACKER, cell)
    assert said.splitlines() == [f"True {what}" for what in tried]
    still_works(team, prey)


def test_attacks_would_succeed_on_oneself(team: Team) -> None:
    """The commands are right: what is refused above is open to its owner."""
    mine = {"victim": ATTACKER, "server": "self"}
    for what in (
        "the token",
        "the address",
        "the server itself",
        "the keys of kernels",
        "the home",
        "the environment of the server",
    ):
        result = team.run_as(ATTACKER, ATTACKS[what].format(**mine))
        assert result.rc == 0, f"{what}: {result.stderr}"


def test_a_notebook_sees_no_process_of_others(team: Team, prey: dict[str, str]) -> None:
    said = team.cells(
        ATTACKER,
        "import os; print([p for p in os.listdir('/proc') if p.isdigit() and os.stat('/proc/' + p).st_uid != os.getuid()])",
    )
    assert said == "[]\n"


def test_arguments_and_environments_hold_no_secret(team: Team, prey: dict[str, str]) -> None:
    """A shell over SSH sees other people's command lines; no token and no kernel's key is in one."""
    seen = team.run_as(ATTACKER, "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'").stdout
    assert "jupyter-lab" in seen
    assert [name for name in team.names if team.token(name) in seen] == []


def test_what_listens_on_loopback_heeds_nobody_else(team: Team, prey: dict[str, str]) -> None:
    """A kernel takes the output of its child processes on a random port, where only who knows its secret is heard."""
    listening = team.host.check_output("ss --no-header --listening --tcp --udp --processes --numeric").splitlines()
    places = [line.split()[4] for line in listening if "sshd" not in line and "127.0.0.11:" not in line]
    assert [place for place in places if not place.startswith("127.0.0.1:")] == []
    ports = [int(place.rpartition(":")[2]) for place in places]
    said = team.cells(ATTACKER, SEND_JUNK.format(ports=ports))
    assert said == "done\n"
    still_works(team, prey)


def test_who_fills_the_memory_loses_a_kernel_and_nobody_else_does(team: Team, prey: dict[str, str]) -> None:
    team.cells(ATTACKER, "pass")
    server = team.main_process(ATTACKER)
    kernel = team.cells(ATTACKER, "import os; kernel = os.getpid(); print(kernel)", kernel="kept").splitlines()
    fill = "hog = []\nwhile True: hog.append(bytearray(10_000_000))"
    start = f"import subprocess, sys; print(subprocess.run([sys.executable, '-c', {fill!r}]).returncode)"
    assert team.cells(ATTACKER, start) == "-9\n"
    assert team.main_process(ATTACKER) == server
    assert team.cells(ATTACKER, "print(kernel)", kernel=kernel[1]) == f"{kernel[0]}\n"
    still_works(team, prey)


def test_who_starts_too_many_processes_hinders_nobody(team: Team, prey: dict[str, str]) -> None:
    bomb = (
        "import subprocess\nchildren = []\ntry:\n"
        "    while len(children) < 5000: children.append(subprocess.Popen(['sleep', '60']))\n"
        "except OSError as exc: print('refused')\n"
        "print(len(children) < 200)\nfor child in children: child.kill()"
    )
    assert team.cells(ATTACKER, bomb) == "refused\nTrue\n"
    still_works(team, prey)


def test_who_computes_without_end_leaves_the_others_their_share(team: Team, prey: dict[str, str]) -> None:
    spin = "import multiprocessing\nworkers = [multiprocessing.Process(target=lambda: [None for _ in iter(int, 1)]) for _ in range(8)]\nfor one in workers: one.start()"
    team.cells(ATTACKER, spin, kernel="kept")
    try:
        still_works(team, prey)
    finally:
        team.host.check_output("systemctl stop jupyterlab@%s", ATTACKER)


def test_who_fills_the_disk_leaves_the_others_at_work(team: Team, prey: dict[str, str]) -> None:
    """Homes on a small file system of their own: what runs goes on, what must start is there once there is room."""
    people = (ATTACKER, BYSTANDER)
    units = " ".join(f"jupyterlab@{name}" for name in people)
    team.host.check_output(
        "mkdir /mnt/homes && mount -t tmpfs -o size=64m homes /mnt/homes"
        f" && systemctl stop {units}"
        + "".join(
            f" && cp -a /home/{name} /mnt/homes/ && mount --bind /mnt/homes/{name} /home/{name}" for name in people
        )
    )
    try:
        kept = team.cells(BYSTANDER, "answer = 42", kernel="kept").strip()
        full = team.cells(ATTACKER, "!dd if=/dev/zero of=full bs=1M 2>&1 | grep -o 'No space left on device'")
        assert full.strip() == "No space left on device"
        # IPython says besides that it cannot write its history
        assert team.cells(BYSTANDER, "print(answer)", kernel=kept).startswith("42")
        still_works(team, prey)
        team.host.check_output(f"systemctl stop jupyterlab@{BYSTANDER}; rm -rf /home/{BYSTANDER}/.venvs")
        team.run_as(ATTACKER, "dd if=/dev/zero of=rest bs=4k")
        team.run_as(
            BYSTANDER,
            f"timeout 10 {script(CONNECT + '; sys.stdin.read()', f'/run/jupyter-{BYSTANDER}/jupyter.sock')} </dev/zero",
        )
        assert "No space left on device" in team.host.run(f"journalctl --quiet --unit=jupyterlab@{BYSTANDER}").stdout
        team.run_as(ATTACKER, "rm full rest")
        assert team.cells(BYSTANDER, "print(1)") == "1\n"
    finally:
        team.host.check_output(
            f"systemctl stop {units}; umount /home/{ATTACKER} /home/{BYSTANDER} /mnt/homes && rmdir /mnt/homes"
        )
