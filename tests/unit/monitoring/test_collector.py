"""The collector, with real logs, certificates, sockets and files."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from wheelhouse_monitoring import access_log, certificates, cli, network, runs, small_files, textfile, units
from wheelhouse_monitoring.access_log import State
from wheelhouse_monitoring.textfile import Family

from . import prometheus


def line(request: str = "GET /simple/ HTTP/1.1", status: int = 200, user: str = "-", sent: int = 100) -> bytes:
    """A line as nginx writes it."""
    day = "07/Mar/2026:09:30:00 +0000"
    return f'192.0.2.7 - {user} [{day}] "{request}" {status} {sent} "-" "pip/26.3 \\x22x\\x22"\n'.encode()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_bytes(line() * 3)
    return path


def looked(log: Path, state: State | None = None, **options: int) -> State:
    state = state or State()
    access_log.follow(log, state, frozenset({"ada", "leo wu"}), **options)
    return state


def append(log: Path, *lines: bytes) -> None:
    with log.open("ab") as stream:
        stream.write(b"".join(lines))


def test_what_is_there_at_the_first_look_is_not_counted(log: Path) -> None:
    assert looked(log).requests == {}


def test_new_lines_are_counted_once(log: Path) -> None:
    state = looked(log)
    append(
        log,
        line(),
        line(status=304),
        line("POST / HTTP/1.1", 200, "ada"),
        line("GET /packages/a/b HTTP/1.1", sent=5000),
    )
    for _ in range(2):
        looked(log, state)
        assert state.requests == {"page 200": 1, "page 304": 1, "upload 200": 1, "file 200": 1}
    assert state.bytes_sent == 5300


def test_half_a_line_waits_for_its_other_half(log: Path) -> None:
    state = looked(log)
    whole = line(status=404)
    append(log, whole[:50])
    assert looked(log, state).requests == {}
    append(log, whole[50:])
    assert looked(log, state).requests == {"page 404": 1}


def test_a_rotated_log_is_read_to_its_end(log: Path) -> None:
    state = looked(log)
    append(log, line(status=500))
    log.rename(log.with_name("access.log.1"))
    append(log, line(status=502))
    assert looked(log, state).requests == {"page 500": 1, "page 502": 1}
    append(log, line(status=502))
    assert looked(log, state).requests == {"page 500": 1, "page 502": 2}


def test_a_log_that_was_emptied_is_read_from_its_beginning(log: Path) -> None:
    state = looked(log)
    log.write_bytes(line(status=418))
    assert looked(log, state).requests == {"page 418": 1}


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    assert looked(tmp_path / "none").requests == {}


def test_a_look_reads_a_bounded_amount_and_says_what_it_left_out(log: Path) -> None:
    state = looked(log)
    append(log, *[line(status=200)] * 1000)
    looked(log, state, most=50 * len(line()))
    assert 48 <= state.requests["page 200"] <= 50
    assert state.skipped_bytes == 950 * len(line())
    append(log, line(status=404))
    assert looked(log, state).requests["page 404"] == 1


def test_a_line_without_end_costs_no_memory(log: Path) -> None:
    state = looked(log)
    append(log, b"x" * 300_000)
    looked(log, state)
    append(log, b"\n", line(status=404))
    assert looked(log, state).requests == {"page 404": 1}


@pytest.mark.parametrize(
    ("user", "status", "refused"), [("ada", 401, 1), ("-", 401, 0), ("x] y", 401, 1), ("ada", 200, 0), ("ada", 403, 0)]
)
def test_refused_logins_are_those_that_were_tried(log: Path, user: str, status: int, refused: int) -> None:
    """pip asks without a login first; that is no wrong password."""
    state = looked(log)
    append(log, line(status=status, user=user))
    assert looked(log, state).refused_logins == refused


def test_the_last_use_is_kept_of_people_with_an_account(log: Path) -> None:
    state = looked(log)
    append(log, line(user="ada"), line(user="leo wu"), line(user="eve"), line(user="eve", status=401))
    assert looked(log, state).people == {"ada": "2026-03-07", "leo wu": "2026-03-07"}


@pytest.mark.parametrize("wrong", [b"\n", b"\xff\xfe\n", b'"\n', b'a "b" c d\n', b'a - - [x] "GET /" 999 1 "-"\n'])
def test_lines_that_make_no_sense_count_nothing(log: Path, wrong: bytes) -> None:
    state = looked(log)
    append(log, wrong, line())
    assert looked(log, state).requests == {"page 200": 1}


@pytest.mark.parametrize(
    ("request_line", "kind"),
    [
        ("GET /simple/acme/ HTTP/1.1", "page"),
        ("GET /packages/a/b.whl HTTP/1.1", "file"),
        ("GET /conda/internal/noarch/repodata.json HTTP/2.0", "conda"),
        ("POST / HTTP/1.1", "upload"),
        ("GET / HTTP/1.1", "other"),
        ("\\x16\\x03\\x01", "other"),
        ("", "other"),
    ],
)
def test_kinds(request_line: str, kind: str) -> None:
    assert access_log.kind_of(request_line) == kind


@pytest.mark.parametrize("broken", ["", "[]", '{"inode": "x", "requests": [], "offset": 7}', "{"])
def test_a_state_that_makes_no_sense_is_begun_again(tmp_path: Path, log: Path, broken: str) -> None:
    settings = {"state": str(tmp_path / "state"), "access_log": str(log)}
    (tmp_path / "state").write_text(broken)
    cli.requests(settings, keeps=True)
    append(log, line())
    written = textfile.text(cli.requests(settings, keeps=True))
    assert 'wheelhouse_requests_total{kind="page",status="200"} 1' in written
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o600


# --- jobs

RUN = {
    "job": "backup",
    "started": "2026-01-02T03:04:05Z",
    "ended": "2026-01-02T03:14:05Z",
    "outcome": "problems",
    "last_ok": None,
    "problems": ["one\n", "two"],
    "facts": {"bytes": 7, "snapshot": "abc", "is_new": True},
}


def samples(families: list[Family]) -> dict[str, float]:
    text = textfile.text(families)
    return {
        name: float(value) for name, _, value in (one.rpartition(" ") for one in text.splitlines() if one[0] != "#")
    }


def test_jobs(tmp_path: Path) -> None:
    (tmp_path / "backup.json").write_text(json.dumps(RUN))
    (tmp_path / "site.json").write_text(json.dumps({**RUN, "job": "site", "facts": {"version": "0.2.0"}}))
    found = samples(runs.collect(tmp_path))
    assert found == {
        'wheelhouse_job_outcome{task="backup"}': 1,
        'wheelhouse_job_ended_timestamp_seconds{task="backup"}': 1767323645,
        'wheelhouse_job_last_ok_timestamp_seconds{task="backup"}': 0,
        'wheelhouse_job_problems{task="backup"}': 2,
        'wheelhouse_job_fact{task="backup",fact="bytes"}': 7,
        "wheelhouse_job_files_unreadable": 0,
        "wheelhouse_site_run_timestamp_seconds": 1767323645,
        'wheelhouse_info{version="0.2.0"}': 1,
    }


WRONG: tuple[dict[str, object], ...] = ({"outcome": "fine"}, {"ended": "x"}, {"facts": []}, {"last_ok": 5})


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", "null", "[" * 100_000),
        *(json.dumps({**RUN, **wrong}) for wrong in WRONG),
    ],
    ids=range(9),
)
def test_a_file_of_a_job_that_makes_no_sense_costs_nothing_else(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    (tmp_path / "backup.json").write_text(json.dumps(RUN))
    found = samples(runs.collect(tmp_path))
    assert found["wheelhouse_job_files_unreadable"] == 1
    assert found['wheelhouse_job_problems{task="backup"}'] == 2


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "link.json").symlink_to("/etc/hostname")
    (tmp_path / "directory.json").mkdir()
    with (tmp_path / "big.json").open("wb") as stream:
        stream.truncate(10**11)
    assert samples(runs.collect(tmp_path))["wheelhouse_job_files_unreadable"] == 4


def test_files_are_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert small_files.read(tmp_path / "x", 5) == b"12345"
    with pytest.raises(ValueError, match="more than 4 bytes"):
        small_files.read(tmp_path / "x", 4)


# --- certificates and the network


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "30",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(directory / "key.pem"), "-out", str(directory / "index.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return directory / "index.pem"


def test_when_certificates_end(certificate: Path, tmp_path: Path) -> None:
    (tmp_path / "two.crt").write_bytes(certificate.read_bytes() * 2)
    (tmp_path / "none.crt").write_text("no certificate")
    found = samples(certificates.collect([str(certificate), f"{tmp_path}/*.crt", "/nowhere/*.pem"]))
    assert len(found) == 2
    assert all(29 * 86400 < value - time.time() <= 30 * 86400 for value in found.values())


@pytest.fixture
def serve(certificate: Path) -> Iterator[Callable[..., int]]:
    """A server on a port, which answers each connection with some bytes, over TLS or not."""
    servers = []

    def start(answer: bytes, *, tls: bool = False) -> int:
        listener = socket.create_server(("localhost", 0))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, certificate.with_name("key.pem"))

        def work() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                    if tls:
                        connection = context.wrap_socket(connection, server_side=True)
                    connection.recv(4096)
                    connection.sendall(answer)
                    connection.close()
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        servers.append((listener, thread))
        port: int = listener.getsockname()[1]
        return port

    yield start
    for listener, thread in servers:
        # wakes the thread: one that goes on waiting answers clients of a later server with the same descriptor
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    ("answer", "up"),
    [
        (b"HTTP/1.1 407 x\r\n\r\n", 1),
        (b"HTTP/1.0 400 x\r\n\r\n", 1),
        (b"", 0),
        (b"220 ftp\r\n", 0),
    ],
)
def test_a_proxy_is_up_if_it_speaks_http(serve: Callable[..., int], tmp_path: Path, answer: bytes, up: int) -> None:
    port = serve(answer)
    (tmp_path / "proxy.env").write_text(f'NO_PROXY=x\nHTTPS_PROXY="http://svc:p%40ss@localhost:{port}"\n')
    families = network.proxy(tmp_path / "proxy.env")
    assert samples(families) == {f'wheelhouse_proxy_up{{proxy="localhost:{port}"}}': up}
    assert "p%40ss" not in textfile.text(families) and "svc" not in textfile.text(families)


def test_no_proxy_is_no_fault(tmp_path: Path) -> None:
    assert samples(network.proxy(tmp_path / "proxy.env")) == {}
    (tmp_path / "proxy.env").write_text("NO_PROXY=x\n")
    assert samples(network.proxy(tmp_path / "proxy.env")) == {}


def test_a_proxy_that_is_off(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        (tmp_path / "proxy.env").write_text(f"https_proxy=http://127.0.0.1:{probe.getsockname()[1]}\n")
        (value,) = samples(network.proxy(tmp_path / "proxy.env")).values()
    assert value == 0


@pytest.mark.parametrize(("status", "healthy"), [(200, 1), (503, 0)])
def test_the_index_as_hosts_see_it(serve: Callable[..., int], certificate: Path, status: int, healthy: int) -> None:
    port = serve(f"HTTP/1.1 {status} x\r\n\r\n".encode(), tls=True)
    found = samples(network.index(f"https://localhost:{port}", str(certificate)))
    assert found["wheelhouse_index_reachable"] == 1 and found["wheelhouse_index_healthy"] == healthy
    assert 29 * 86400 < found["wheelhouse_index_certificate_end_timestamp_seconds"] - time.time() < 30 * 86400


def test_an_index_that_shows_another_certificate(serve: Callable[..., int]) -> None:
    found = samples(network.index(f"https://localhost:{serve(b'HTTP/1.1 200 OK', tls=True)}"))
    assert found == {"wheelhouse_index_reachable": 0, "wheelhouse_index_healthy": 0}


# --- systemd and the file


def test_units_that_are_at_work() -> None:
    text = "Id=jupyterlab@ada.service\nActiveState=active\n\nId=jupyterlab@leo.service\nActiveState=inactive\n"
    assert [unit["Id"] for unit in units.shown(text)] == ["jupyterlab@ada.service"]
    assert units.shown("\n") == []


@pytest.mark.parametrize(
    ("unit", "person"), [("jupyterlab@ada.service", "ada"), ("jupyterlab@a\\x2db.service", "a-b"), ("odd", "odd")]
)
def test_whose_a_server_is(unit: str, person: str) -> None:
    assert units.person(unit) == person


def test_the_file_is_replaced_as_a_whole_and_everyone_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "x.prom"
    path.symlink_to("/etc/passwd")
    umask = os.umask(0o077)
    try:
        textfile.replace(path, "a 1\n")
    finally:
        os.umask(umask)
    assert not path.is_symlink() and path.read_text() == "a 1\n" and stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["x.prom"]


def test_odd_labels_break_no_line(tmp_path: Path) -> None:
    odd = Family("wheelhouse_x", "X.").add(1.5, who='a"b\\c\nd', what="\udcff" + "x" * 500)
    families = [odd, Family("empty", "E.")]
    written = textfile.text(families)
    assert len(written.splitlines()) == 3
    (tmp_path / "x").write_text(written)
    told = prometheus.command("promtool", tmp_path)
    checked = subprocess.run([*told, "check", "metrics"], input=written, capture_output=True, text=True, check=False)
    if "-i" in told or shutil.which("promtool"):
        assert (checked.returncode, checked.stderr) == (0, "")


def test_one_part_that_fails_leaves_the_others() -> None:
    def broken() -> list[Family]:
        raise RuntimeError("odd\nthing")

    whole = [Family("wheelhouse_x", "X.").add(1)]
    written, faults = cli.collect({"a": broken, "b": lambda: whole, "c": lambda: "wheelhouse_y 2\n"})
    assert faults == {"a": "RuntimeError: odd\nthing"}
    assert "wheelhouse_x 1\n" in written and "wheelhouse_y 2\n" in written
    assert 'wheelhouse_collector_success{part="a"} 0' in written and 'part="b"} 1' in written


def test_what_the_program_prints_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no file for node-exporter may have in it, is not in it."""
    docker = tmp_path / "docker"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for said, is_right in (("wheelhouse_x 1", True), ("Traceback", False), ("", True)):
        docker.write_text(f"#!/bin/sh\necho '{said}'\n" if said else "#!/bin/sh\n")
        docker.chmod(0o755)
        if is_right:
            cli.program("x")
        else:
            with pytest.raises(ValueError, match="not what it should be"):
                cli.program("x")


def test_a_part_that_failed_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {
        "textfile": str(tmp_path / "wheelhouse.prom"),
        "runs": str(tmp_path),
        "certificates": [],
        "proxy_environment": str(tmp_path / "none"),
        "container": "there-is-none",
        "state": str(tmp_path / "state.json"),
        "access_log": str(tmp_path / "access.log"),
    }
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    assert cli.main(["--settings", str(tmp_path / "settings.json")]) == 1
    assert "wheelhouse-collect: program: " in capsys.readouterr().err
    written = (tmp_path / "wheelhouse.prom").read_text()
    assert 'wheelhouse_collector_success{part="program"} 0' in written
    assert "wheelhouse_collected_timestamp_seconds" in written
