"""What one person of a team tries against another, in a notebook and in a shell, fails, and the others work on."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from colleagues import LIMITS, Team, settle
from company import eventually
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


# Programs that a unit's commands might be looked up as, put where a person may put them; each says who ran it.
PLANT = """
for name in mkdir rm echo cat env sh bash python3 python chmod mv rsync ssh systemctl journalctl jupyter-lab id; do
    rm -f {place}/$name
    printf '#!/bin/bash\\n/usr/bin/id -u >>{home}/ran-by\\nexec /usr/bin/%s "$@"\\n' $name >{place}/$name
    /usr/bin/chmod +x {place}/$name
done
"""
# What a shell, the loader, Python or PAM would read from a home.
SEED = """
mkdir -p .config/environment.d .ssh
printf '/usr/bin/id -u >>{home}/ran-by\\n' >start
for file in .bashrc .profile .bash_profile .zshenv .bash_env .kshrc; do cat start >>$file; done
for file in .pam_environment .ssh/environment .config/environment.d/own.conf; do
    printf 'LD_PRELOAD={home}/none.so\\nBASH_ENV={home}/start\\nENV={home}/start\\nPYTHONSTARTUP={home}/start.py\\nPATH={home}/bin\\n' >$file
done
printf 'import os\\nos.system("/usr/bin/id -u >>{home}/ran-by")\\n' | tee start.py sitecustomize.py usercustomize.py >/dev/null
"""


def come_up(team: Team, name: str) -> None:
    """Start somebody's server by a connection, as root's own hand would not."""
    connect = "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(100); s.connect('/run/jupyter-%s/jupyter.sock'); s.sendall(b'GET /api HTTP/1.0\\r\\n\\r\\n'); s.recv(9)"
    team.host.run(f"timeout 120 {script(connect % name)}")


@pytest.fixture
def own_files(team: Team) -> Iterator[str]:
    """The attacker's home, as it was again afterwards."""
    home = f"/home/{ATTACKER}"
    team.host.check_output(f"systemctl stop jupyterlab@{ATTACKER}; rm -rf {home}.kept; cp -a {home} {home}.kept")
    try:
        yield home
    finally:
        team.host.check_output(
            f"systemctl stop jupyterlab@{ATTACKER}; chmod 700 {home}; find {home} -mindepth 1 -delete; cp -a {home}.kept/. {home}/; rm -rf {home}.kept"
        )


def test_root_runs_nothing_that_a_person_has_put_on_a_path(team: Team, own_files: str) -> None:
    """From a shell or a notebook: programs in one's own virtualenv, then the end of one's own server, and its next start."""
    come_up(team, ATTACKER)
    for place in (f"{own_files}/.venvs/jupyter/bin", f"{own_files}/bin", f"{own_files}/.local/bin"):
        assert team.run_as(ATTACKER, f"mkdir -p {place}").rc == 0
        assert team.run_as(ATTACKER, PLANT.format(place=place, home=own_files)).rc == 0
    assert team.run_as(ATTACKER, SEED.format(home=own_files)).rc == 0
    before = team.main_process(ATTACKER)
    team.host.check_output("kill -KILL %s", before)
    eventually(lambda: team.main_process(ATTACKER) not in (before, "0"), "the server is back")
    come_up(team, ATTACKER)
    # what a run does with it
    team.host.check_output("touch /etc/wheelhouse/jupyter/idle.json")
    before = team.main_process(ATTACKER)
    settle(len(team.names), LIMITS)
    assert team.main_process(ATTACKER) not in (before, "0")
    team.host.check_output("systemctl stop jupyterlab@%s", ATTACKER)
    ran = team.host.check_output("cat %s/ran-by", own_files).split()
    assert set(ran) == {team.host.check_output("id -u %s", ATTACKER)}, "each that ran did so as the person"


# Homes that hold something else than what is looked for there.
ODD = {
    "a pipe in the virtualenv": "rm -f .venvs/jupyter/pyvenv.cfg; mkfifo .venvs/jupyter/pyvenv.cfg",
    "a pipe among its packages": "p=$(echo .venvs/jupyter/lib/python3.*/site-packages); rm -f $p/*.pth; mkfifo $p/jupyterlab-of-this-host.pth",
    "a pipe for its Python": "rm -f .venvs/jupyter/bin/python*; mkfifo .venvs/jupyter/bin/python",
    "a virtualenv elsewhere": "mv .venvs/jupyter elsewhere; ln -s ../elsewhere .venvs/jupyter",
    "a link to nowhere": "rm -rf .venvs/jupyter; ln -s /nowhere/at/all .venvs/jupyter",
}


@pytest.mark.parametrize(
    "what",
    [
        what
        if what in ("a pipe in the virtualenv", "a virtualenv elsewhere")
        else pytest.param(what, marks=pytest.mark.long)
        for what in ODD
    ],
)
def test_a_home_with_odd_things_in_it_has_a_server(team: Team, own_files: str, what: str) -> None:
    assert team.cells(ATTACKER, "print(1)") == "1\n"
    team.host.run("systemctl stop jupyterlab@%s", ATTACKER)
    assert team.run_as(ATTACKER, ODD[what]).rc == 0
    assert team.cells(ATTACKER, "print(1)") == "1\n"


def test_whose_home_is_broken_hinders_nobody(team: Team, own_files: str) -> None:
    """Other settings for all: the servers of those whose homes hinder it are named with the reason, and the run is well."""
    second = BYSTANDER
    # servers that wait, and do not stop by themselves meanwhile
    values = LIMITS | {"jupyter_host_idle_minutes": 0}
    settle(len(team.names), values)
    for name in (ATTACKER, VICTIM, second):
        assert team.cells(name, "print(1)") == "1\n"
    team.run_as(ATTACKER, "chmod 0 .")
    team.run_as(second, "mv .venvs .venvs.kept; touch .venvs")
    try:
        run = settle(len(team.names), values | {"jupyter_host_tasks_max": 199})
        said = " ".join(run.output.split())
        assert (
            f"The JupyterLab of {ATTACKER} does not come up: The virtualenv /home/{ATTACKER}/.venvs/jupyter cannot be made: Permission denied"
            in said
        )
        assert f"The JupyterLab of {second} does not come up: " in said and "Not a directory" in said
        assert team.host.check_output("systemctl show --property=TasksMax --value jupyterlab@%s", VICTIM) == "199"
        assert team.cells(VICTIM, "print(1)") == "1\n"
        # and one more run has nothing to do
        assert settle(len(team.names), values | {"jupyter_host_tasks_max": 199}).changed == 0
    finally:
        team.host.check_output(f"chmod 700 {own_files}")
        team.run_as(second, "rm .venvs; mv .venvs.kept .venvs")
        settle(len(team.names), LIMITS)


# Stands where somebody's server is, and answers without end.
DRIP = """
import os, socket, time
os.rename("/run/jupyterlab-{name}/jupyter.sock", "/run/jupyterlab-{name}/moved")
listener = socket.socket(socket.AF_UNIX)
listener.bind("/run/jupyterlab-{name}/jupyter.sock")
listener.listen()
while True:
    connection, _ = listener.accept()
    try:
        connection.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n[")
        while True:
            connection.sendall({bytes})
            time.sleep({pause})
    except OSError:
        pass
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("sent", "pause"), [pytest.param('b"1,"', "1", id="slowly"), pytest.param('b"1," * 50000', "0", id="much")]
)
def test_a_server_that_answers_without_end_is_not_waited_for(team: Team, sent: str, pause: str) -> None:
    """Root asks who is at work before servers are restarted; a token of a terabyte is no hindrance either."""
    come_up(team, ATTACKER)
    team.cells(BYSTANDER, "kept = 1", kernel="kept")
    code = DRIP.format(name=ATTACKER, bytes=sent, pause=pause)
    token = f"/etc/wheelhouse/jupyter/tokens/{ATTACKER}"
    team.run_as(
        ATTACKER,
        f"cp {token} token.kept; {script(code)} >/dev/null 2>&1 & echo $! >drip; sleep 1; truncate -s 1T {token}",
    )
    try:
        # what is newer than they are has been written anew
        team.host.check_output("touch /etc/wheelhouse/jupyter/idle.json")
        start = time.monotonic()
        said = " ".join(settle(len(team.names), LIMITS).output.split())
        assert time.monotonic() - start < 300
        # the attacker's counts as one that has nothing to lose
        assert f"The servers of {BYSTANDER} have kernels or terminals" in said
    finally:
        team.run_as(ATTACKER, f"kill $(cat drip); cat token.kept >{token}; truncate -s 65 {token}; rm drip token.kept")
        team.host.check_output(f"systemctl stop jupyterlab@{ATTACKER} jupyterlab@{BYSTANDER}")
        # no server has been seen to run with what was written anew
        settle(len(team.names), LIMITS)


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
