"""One program takes requests over from another, and no client of either is turned away."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.errors import Unreachable
from wheelhouse.index import migrations
from wheelhouse.web import handover

from .samples import MULTIPART, PASSWORD, Wheel, basic, multipart

SOURCE = Path(cli.__file__).parents[1]
SETTINGS = Path(__file__).parents[3] / "roles/pypi_index/files/wheelhouse/gunicorn.conf.py"
START = 180.0

pytestmark = pytest.mark.usefixtures("environment")


class Programs:
    """As many as a test starts; each is known by its process."""

    def __init__(self, place: Path, log: Path) -> None:
        self.place = place
        self.log = log
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, answers_at: str, more: str = "") -> subprocess.Popen[bytes]:
        """Start one, and wait until it listens at a name in the socket's directory, or has ended."""
        settings = self.log.with_suffix(".conf.py")
        settings.write_text(SETTINGS.read_text() + more)
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "WHEELHOUSE_LISTEN": f"unix:{self.place}"}
        command = [sys.executable, "-m", "gunicorn", "--config", str(settings), "wheelhouse.web.app:application()"]
        with self.log.open("ab") as log:
            program = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        self.running.append(program)
        end = time.monotonic() + START
        while program.poll() is None and handover.own(self.place) != self.place.with_name(answers_at):
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)
        return program

    def kill(self, program: subprocess.Popen[bytes]) -> None:
        """Kill one with its workers, as the end of a container does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()
        with contextlib.suppress(ProcessLookupError):
            while True:  # a worker is somebody else's child now
                os.killpg(program.pid, 0)
                time.sleep(0.01)

    def stop(self) -> None:
        for program in self.running:
            self.kill(program)


@pytest.fixture
def programs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Programs]:
    directory = tmp_path_factory.mktemp("s")
    programs = Programs(directory / "index.sock", directory / "log")
    monkeypatch.setenv("WHEELHOUSE_LISTEN", f"unix:{programs.place}")
    yield programs
    programs.stop()


class Clients:
    """Some who upload and some who look, one connection for each request, until they are stopped."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.stop = threading.Event()
        self.done = 0
        self.failures: list[str] = []

    def work(self, who: int) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            wheel = Wheel("acme_tools", f"{who}.{number}")
            form = multipart({":action": "file_upload"}, wheel.filename, wheel.build())
            headers = {"Content-Type": MULTIPART, "Authorization": basic("ada", PASSWORD)}
            for method, path, body in (("GET", "/", b""), ("POST", "/", form)):
                try:
                    status, text = handover.ask(self.place, method, path, body, headers)
                except OSError as error:
                    self.failures.append(f"{method} {path}: {error!r}")
                    continue
                if status != 200:
                    self.failures.append(f"{method} {path}: {status} {text}")
                self.done += 1


def names(place: Path) -> set[str]:
    return {path.name for path in place.parent.glob("*.sock")}


def test_a_program_that_is_alone_has_the_name(programs: Programs) -> None:
    programs.start("index.sock")
    assert names(programs.place) == {"index.sock"}
    assert cli.main(["health"]) == 0
    assert cli.main(["take-over"]) == 0  # has nothing to do
    programs.kill(programs.running[0])
    programs.start("index.sock")  # after a kill, beside the socket that was left
    assert cli.main(["health"]) == 0


# What Docker runs several times a minute: the command as it is installed, and then what it has loaded.
HEALTH = """
import sys
sys.argv[1:] = ["health"]
from wheelhouse import command
try:
    command.run()
except SystemExit as ended:
    names = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
    names |= {name for name in sys.modules if name.startswith("wheelhouse.")}
    print(ended.code, *sorted(names - set(sys.argv[2:])))
"""


def test_health_loads_next_to_nothing(programs: Programs) -> None:
    programs.start("index.sock")
    plain = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    always = subprocess.run([sys.executable, "-c", plain], capture_output=True, text=True, check=True).stdout.split()
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", HEALTH]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    text, names = done.stdout.splitlines()
    code, *loaded = names.split()
    assert (text, code) == ('{"status": "ok"}', "0")
    rooms = {"wheelhouse", "wheelhouse.web"}
    assert set(loaded) - set(always) - rooms == {
        "wheelhouse.command",
        "wheelhouse.errors",
        "wheelhouse.web.handover",
        "wheelhouse.web.own_health",
    }


def test_health_says_that_nothing_answers(programs: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["health"]) == 1
    said = capsys.readouterr().err
    assert said == f"wheelhouse: The program does not answer at unix:{programs.place}: No such file or directory.\n"


def test_nobody_notices_that_one_replaces_another(programs: Programs) -> None:
    first = programs.start("index.sock")
    clients = Clients(programs.place)
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(clients.work, who) for who in range(4)]
        try:
            second = programs.start("second.sock")
            before = clients.done
            assert cli.main(["take-over"]) == 0
            assert names(programs.place) == {"index.sock", "previous.sock"}
            first.terminate()
            assert first.wait(90) == 0
            end = time.monotonic() + START
            while clients.done < before + 20:
                assert time.monotonic() < end
                time.sleep(0.05)
        finally:
            clients.stop.set()
        for task in tasks:
            task.result()
    assert clients.failures == []
    assert second.poll() is None
    assert cli.main(["take-over", "--last"]) == 0
    assert names(programs.place) == {"index.sock"}
    assert cli.main(["verify"]) == 0


def test_the_first_takes_it_back(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    first = programs.start("index.sock")
    second = programs.start("second.sock")
    assert handover.take_over(programs.place, 1)
    for here in (second, second, first, first):  # each time the second call has nothing to do
        monkeypatch.setattr(handover, "is_here", lambda pid, here=here: pid == here.pid)
        handover.take_over(programs.place, 1)
        assert handover.own(programs.place) == programs.place


def test_one_that_does_not_answer_as_it_should_gets_nothing(programs: Programs) -> None:
    programs.start("index.sock")
    programs.start("second.sock", "\nfrom wheelhouse.config import Settings\nSettings.knows = lambda *_: True\n")
    with pytest.raises(Unreachable, match="answers POST / with 403, not 401"):
        handover.take_over(programs.place, 1)
    assert names(programs.place) == {"index.sock", "second.sock"}


def test_one_that_does_not_start_gets_nothing(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    first = programs.start("index.sock")
    second = programs.start("second.sock", "\nraise SystemExit('it is of no use')\n")
    assert second.wait() != 0
    monkeypatch.setattr(handover, "is_here", lambda pid: pid == second.pid)
    with pytest.raises(Unreachable, match=r"does not answer within 0\.2 seconds"):
        handover.take_over(programs.place, 0.2)
    assert names(programs.place) == {"index.sock"} and first.poll() is None


def test_tables_that_the_program_at_work_cannot_read_are_left_alone(programs: Programs, root: Path) -> None:
    programs.start("index.sock")
    later = """
from wheelhouse.index import migrations
migrations.HEAD = migrations.OLDEST_READER = "0009"
"""
    assert programs.start("second.sock", later).wait() != 0
    said = f"cannot read the tables of this version (0009, and it has {migrations.HEAD}): stop it first"
    assert said in programs.log.read_text()
    assert handover.ask(programs.place, "GET", "/health")[0] == 200


def test_where_it_listens(tmp_path: Path) -> None:
    place = tmp_path / "index.sock"
    assert not handover.is_answered(place)
    first = handover.bind(place)
    assert not handover.is_answered(place)  # a program that is not ready yet refuses
    first.listen()
    assert handover.is_answered(place) and names(place) == {"index.sock"}
    second = handover.bind(place)
    second.listen()
    assert names(place) == {"index.sock", "second.sock"}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(place))
        assert first.accept()
    for one in (first, second):
        one.close()


def test_only_a_socket_is_handed_over(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WHEELHOUSE_LISTEN", "0.0.0.0:8080")
    assert handover.listen() == "0.0.0.0:8080"
    assert cli.main(["take-over"]) == 1
    assert "only at a socket" in capsys.readouterr().err
