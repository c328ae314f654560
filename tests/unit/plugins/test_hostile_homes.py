# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Nobody gains anything, stops a run or costs others theirs by what is in a home, whichever module of ours comes by."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import homes, virtualenv_builds
from ansible_collections.wheelhouse.onboarding.plugins.modules import (
    conflicting_package_sources,
    doctor_reports,
    managed_files,
    ssh_key_pairs,
    virtualenvs,
)

from .conftest import RunModule
from .hostile import DIRECTORIES, FILES, HOMES, OTHERS, Office, build_office, everything

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another person takes root")

PYTHON = "/usr/bin/python3"  # one that everybody may run
INDEX = "https://packages.acme.example"
STRAY = "export PIP_INDEX_URL=https://old.example/\n"
NETRC = "machine packages.acme.example login me password s3cret\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICKmSW9vzRS9J2Oc3h7ORYkKO3qG3BSqbNM0IEcyMEmA"
PROGRAMS = ("ssh-keygen", "sh", "bash", "mkdir", "cat", "env", "python3", "uv", "git", "ssh", "runuser", "id")


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    office = build_office(tmp_path)
    account = homes.account
    for module in (managed_files, conflicting_package_sources, ssh_key_pairs, doctor_reports, virtualenvs):
        monkeypatch.setattr(module, "account", lambda name: office.accounts.get(name) or account(name))
    monkeypatch.setattr(os, "initgroups", lambda name, group: os.setgroups([group]))
    return office


@pytest.fixture
def run(run_module: RunModule):
    """Run a module within a time in which nothing here should have to wait; names that are skipped, and the answer."""

    def run(module, **arguments) -> tuple[set[str], dict]:
        def too_late(*_):
            raise TimeoutError(f"{module.__name__} waits")

        previous = signal.signal(signal.SIGALRM, too_late)
        signal.alarm(60)
        try:
            answer = run_module(module, **arguments)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, previous)
        assert not answer.get("failed"), answer
        assert "S3ntinel" not in json.dumps(answer)
        return {one["name"] for one in answer["people_skipped"]}, answer

    return run


# --- the way itself


def outcomes(office: Office, *works, seconds: int = 20, understand=None) -> list:
    """What comes of each work in mallory's home, and of ada's after them."""
    jobs = [(office.accounts["mallory"], work) for work in works] + [(office.accounts["ada"], os.geteuid)]
    *those, adas = homes.as_people(jobs, understand, seconds)
    assert adas == office.accounts["ada"].pw_uid, "ada is served"
    return [str(one) if isinstance(one, homes.PersonError) else one for one in those]


def test_a_process_that_became_a_person_has_nothing_of_roots(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/evil")
    monkeypatch.setenv("S3CRET", "x")
    kept = os.open(office.shadow, os.O_RDONLY)
    os.set_inheritable(kept, True)

    def look() -> dict:
        descriptors = [str(path.readlink()) for path in Path("/proc/self/fd").glob("*") if os.path.lexists(path)]
        status = Path("/proc/self/status").read_text()
        back = []
        for way in (lambda: os.setuid(0), lambda: os.seteuid(0), lambda: os.setgroups([0]), lambda: os.setgid(0)):
            try:
                way()
                back.append("yes")
            except PermissionError:
                back.append("no")
        return {
            "ids": [*os.getresuid(), *os.getresgid(), *os.getgroups()],
            "files": sorted(name.partition(":")[0] for name in descriptors),
            "environment": dict(os.environ),
            "directory": os.getcwd(),  # noqa: PTH109
            "back": back,
            "capabilities": [line.split()[1] for line in status.splitlines() if line.startswith(("CapPrm", "CapEff"))],
            "privileges": "NoNewPrivs:\t1" in status,
            "session": os.getsid(0) == os.getpid(),
        }

    (seen,) = outcomes(office, look)
    os.close(kept)
    owner = office.accounts["mallory"]
    assert set(seen["ids"]) == {owner.pw_uid, owner.pw_gid}
    assert set(seen["files"]) == {"/dev/null", "pipe"}
    assert seen["environment"] == homes.environment(owner) and seen["environment"]["PATH"] == homes.PATH
    assert seen["directory"] == "/" and set(seen["back"]) == {"no"} and set(seen["capabilities"]) == {"0" * 16}
    assert seen["privileges"] and seen["session"]


def test_the_person_cannot_look_into_it(office: Office) -> None:
    """Its memory holds what root handed to the module: other people's passwords."""
    mark = office.write("mallory", "pid", "")

    def wait() -> bool:
        mark.write_text(str(os.getpid()))
        time.sleep(2)
        return True

    def spy() -> list[str]:
        deadline = time.monotonic() + 5
        while not mark.read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
        got = []
        for name in ("mem", "environ", "maps", "fd"):
            path = f"/proc/{int(mark.read_text())}/{name}"
            try:
                os.listdir(path) if name == "fd" else Path(path).open("rb").read(1)  # noqa: PTH208, SIM115
                got.append(name)
            except PermissionError:
                continue
        return got

    assert outcomes(office, wait, spy) == [True, []]


def test_what_ends_or_stops_it_costs_nobody_else_anything(office: Office) -> None:
    left = office.write("mallory", "left", "")

    def stop() -> None:
        child = subprocess.Popen(["/bin/sleep", "300"])
        left.write_text(str(child.pid))
        os.kill(os.getpid(), signal.SIGSTOP)

    started = time.monotonic()
    killed, stopped, waiting = outcomes(
        office, lambda: os.kill(os.getpid(), signal.SIGKILL), stop, lambda: time.sleep(300), seconds=2
    )
    assert time.monotonic() - started < 15
    assert killed == "the process that worked there was ended by signal 9"
    assert stopped == waiting and stopped.startswith("nothing came back within 2 seconds")
    time.sleep(0.1)
    status = Path(f"/proc/{left.read_text()}/stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z", "nothing runs on"


def test_an_answer_is_somebody_elses(office: Office) -> None:
    def understand(answer):
        return answer if isinstance(answer, int) else answer["no"]["such"]

    def leak() -> None:
        raise ValueError("S3ntinel")

    long, odd, deep, leaked = outcomes(
        office, lambda: "x" * (homes.ANSWER + 1), lambda: "text", lambda: {"no": []}, leak, understand=understand
    )
    assert long == "the answer from there is too long"
    assert odd == deep == "the answer from there makes no sense"
    assert leaked == "ValueError at work there"


def test_root_under_another_name_is_nobodys_home(office: Office) -> None:
    toor = pwd.struct_passwd(("toor", "x", 0, 0, "", str(office.home("ada")), "/bin/sh"))
    with pytest.raises(homes.PersonError, match="is root's"):
        homes.as_person(toor, os.geteuid)


# --- managed_files


def credentials(**more) -> list[dict]:
    return [
        {"owner": name, "path": "~/.netrc", "content": NETRC, "merge": "netrc", **more} for name in ("mallory", "ada")
    ]


@pytest.mark.parametrize("kind", [*FILES, *OTHERS, *DIRECTORIES])
def test_credentials_with_something_odd_in_a_home(kind: str, office: Office, run, tmp_path: Path) -> None:
    {**FILES, **OTHERS, **DIRECTORIES}[kind](office.home("mallory") / ".netrc", office)
    office.own("mallory")
    adas = office.home("ada") / ".netrc"
    before = everything(tmp_path, but=adas)
    for state in ("present", "absent", "present"):
        skipped, answer = run(managed_files, files=credentials(state=state))
        # a file that may be read, and has no lines of ours in it, needs no change
        assert skipped == (set() if kind in OTHERS and state == "absent" else {"mallory"})
        assert answer["paths"] == [str(adas)]
        assert (NETRC in adas.read_text() if adas.exists() else False) == (state == "present")
        assert everything(tmp_path, but=adas) == before


@pytest.mark.parametrize("kind", HOMES)
def test_credentials_with_a_home_that_is_none(kind: str, office: Office, run, tmp_path: Path) -> None:
    HOMES[kind](office.home("mallory"))
    before = everything(tmp_path, but=office.home("ada"))
    skipped, _ = run(managed_files, files=credentials())
    assert skipped == {"mallory"} and (office.home("ada") / ".netrc").read_text().count(NETRC) == 1
    assert everything(tmp_path, but=office.home("ada")) == before
    skipped, _ = run(managed_files, files=credentials(state="absent"))
    assert skipped == (set() if kind == "no home" else {"mallory"}), "where no home is, nothing is left in it"


def test_nothing_is_left_in_a_colleagues_directory(office: Office, run, tmp_path: Path) -> None:
    """Where everybody may write, the link of somebody would have us leave a password of theirs."""
    opened = office.write("leo", "open/theirs", "").parent
    opened.chmod(0o777)
    (office.home("mallory") / ".netrc").symlink_to(opened / "new")
    before = everything(tmp_path, but=office.home("ada"))
    assert run(managed_files, files=credentials())[0] == {"mallory"}
    assert everything(tmp_path, but=office.home("ada")) == before


def test_a_file_of_theirs_in_a_directory_of_roots(office: Office, run, tmp_path: Path) -> None:
    """As /etc/wheelhouse/people/NAME.env is, which people write their password into."""
    for name in ("mallory", "ada"):
        (tmp_path / "roots" / name).touch()
        os.chown(tmp_path / "roots" / name, office.accounts[name].pw_uid, -1)
    os.truncate(tmp_path / "roots" / "mallory", 100 * 1024**3)
    files = [
        {"owner": name, "path": f"{tmp_path}/roots/{name}", "content": "A=1\n", "keep_passwords": True}
        for name in ("mallory", "ada")
    ]
    skipped, _ = run(managed_files, files=files)
    assert skipped == {"mallory"} and (tmp_path / "roots" / "ada").read_text() == "A=1\n"


# --- conflicting_package_sources


@pytest.mark.parametrize("kind", [*FILES, *OTHERS, *DIRECTORIES])
def test_stray_settings_with_something_odd_in_a_home(kind: str, office: Office, run, tmp_path: Path) -> None:
    {**FILES, **OTHERS, **DIRECTORIES}[kind](office.home("mallory") / ".bashrc", office)
    (office.home("mallory") / "lab").mkdir()
    office.own("mallory")
    office.write("ada", ".bashrc", STRAY)
    before = everything(tmp_path, but=office.home("ada"))
    skipped, answer = run(conflicting_package_sources, index_url=INDEX, people=["mallory", "ada"], remove=True)
    expected = set() if kind in DIRECTORIES or kind == "a link to what a colleague keeps to himself" else {"mallory"}
    expected -= {"mallory"} if kind == "a link to root's" else set()  # no program of mallory's reads these either
    assert skipped == expected
    assert everything(tmp_path, but=office.home("ada")) == before
    assert (office.home("ada") / ".bashrc").read_text().endswith("# removed by wheelhouse.onboarding: " + STRAY)
    found = {setting["path"] for setting in answer["settings"] if setting["path"].startswith(str(tmp_path))}
    assert found == {str(office.home("ada") / ".bashrc")}


@pytest.mark.parametrize("kind", HOMES)
def test_stray_settings_with_a_home_that_is_none(kind: str, office: Office, run, tmp_path: Path) -> None:
    HOMES[kind](office.home("mallory"))
    office.write("ada", ".bashrc", STRAY)
    before = everything(tmp_path)
    skipped, answer = run(conflicting_package_sources, index_url=INDEX, people=["mallory", "ada"])
    assert skipped == {"mallory"} and everything(tmp_path) == before
    assert str(office.home("ada") / ".bashrc") in {setting["path"] for setting in answer["settings"]}


def test_an_installation_is_looked_at_as_its_owner(
    office: Office, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opt = tmp_path / "opt"
    for name in ("mallorys", "adas", "roots", "shared"):
        (opt / name).mkdir(parents=True)
    strays = "channels: [https://old.example/conda]\n"
    theirs = office.write("leo", "condarc", strays)
    (opt / "mallorys/.condarc").symlink_to(theirs)
    os.mkfifo(opt / "mallorys/.mambarc")
    (opt / "shared/.condarc").symlink_to(office.shadow)
    for name in ("adas", "roots"):
        (opt / name / ".condarc").write_text(strays)
    for place, name in (("mallorys", "mallory"), ("adas", "ada"), ("adas/.condarc", "ada")):
        os.chown(opt / place, office.accounts[name].pw_uid, office.accounts[name].pw_gid)
    (opt / "shared").chmod(0o2775)
    monkeypatch.setattr(conflicting_package_sources, "OPT", str(opt))
    before = everything(tmp_path, but=opt)
    skipped, answer = run(conflicting_package_sources, index_url=INDEX, remove=True)
    assert len(skipped) == 1 and "mallorys/.mambarc: it is a FIFO" in str(answer["people_skipped"])
    removed = {setting["path"] for setting in answer["settings"] if setting["removed"]}
    assert {f"{opt}/adas/.condarc", f"{opt}/roots/.condarc"} <= removed
    assert everything(tmp_path, but=opt) == before and theirs.read_text() == strays


# --- ssh_key_pairs


@pytest.fixture
def hostile_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that leave a trace, first on the PATH of whoever comes by; where the trace is."""
    trace = tmp_path / "ran"
    trace.mkdir()
    trace.chmod(0o1777)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).write_text(f"#!/bin/sh\necho {KEY}\n: >{trace}/{name}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return trace


def keys(run, **more) -> tuple[set[str], dict]:
    return run(ssh_key_pairs, people=["mallory", "ada", "nemo-x"], host="pc-17", **more)


@pytest.mark.parametrize("kind", [*FILES, *DIRECTORIES])
@pytest.mark.parametrize("place", [".ssh/id_ed25519.pub", ".ssh/id_ed25519"])
def test_keys_with_something_odd_in_a_home(
    kind: str, place: str, office: Office, run, tmp_path: Path, hostile_path: Path
) -> None:
    path = office.write("mallory", place, "").resolve()
    path.unlink()
    {**FILES, **DIRECTORIES}[kind](path, office)
    office.own("mallory")
    before = everything(tmp_path, but=office.home("ada"))
    skipped, answer = keys(run)
    assert skipped == {"mallory"} and set(answer["public_keys"]) == {"ada"}
    assert everything(tmp_path, but=office.home("ada")) == before
    assert list(hostile_path.iterdir()) == []


@pytest.mark.parametrize("kind", HOMES)
def test_keys_with_a_home_that_is_none(kind: str, office: Office, run, tmp_path: Path) -> None:
    HOMES[kind](office.home("mallory"))
    before = everything(tmp_path, but=office.home("ada"))
    skipped, answer = keys(run)
    assert skipped == {"mallory"} and set(answer["public_keys"]) == {"ada"}
    assert everything(tmp_path, but=office.home("ada")) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        f"{KEY} mallory\n{KEY} leo\n",
        f"{KEY} mallory\r{KEY} leo\n",
        f"{KEY} mallory\x0b{KEY} leo\n",
        f"{KEY} mallory\u2028{KEY} leo\n",
        f'command="id" {KEY}\n',
        f"restrict {KEY}\n",
        "root:$y$S3ntinel:20783:0:99999:7:::\n",
        "HTTPS_PROXY=http://S3ntinel@proxy.acme.example:3128\n",
        "ssh-ed25519 S3ntinelS3ntinelS3ntinelS3ntinelS3ntinelS3ntinelS3ntinelS3ntinel\n",
        KEY.replace("ssh-ed25519", "ssh-rsa"),
        "-----BEGIN OPENSSH PRIVATE KEY-----\n",
        b"\xff\xfe\x00\x00",
    ],
)
def test_what_is_no_public_key_is_nobodys(text: str | bytes, office: Office, run) -> None:
    office.write("mallory", ".ssh/id_ed25519.pub", text)
    office.write("ada", ".ssh/id_ed25519.pub", f"{KEY} ada@pc-17")  # without a newline
    skipped, answer = keys(run)
    assert skipped == {"mallory"} and answer["public_keys"] == {"ada": f"{KEY} ada@pc-17"}
    assert not answer["changed"]


def test_keys_are_made_once_and_read_by_name(office: Office, run, hostile_path: Path) -> None:
    checked = keys(run, check_mode=True)[1]
    assert (checked["made"], checked["public_keys"]) == (["mallory", "ada"], {}) and checked["changed"]
    assert not (office.home("ada") / ".ssh").exists()
    skipped, made = keys(run)
    assert skipped == set() and made["made"] == ["mallory", "ada"]
    for name, key in made["public_keys"].items():
        owner = office.accounts[name].pw_uid
        files = {path.name: path.stat() for path in (office.home(name) / ".ssh").iterdir()}
        assert {file: (status.st_uid, stat.S_IMODE(status.st_mode)) for file, status in files.items()} == {
            "id_ed25519": (owner, 0o600),
            "id_ed25519.pub": (owner, 0o600),
        }
        assert key == (office.home(name) / ".ssh/id_ed25519.pub").read_text().strip() and key.endswith(f" {name}@pc-17")
    again = keys(run)[1]
    assert not again["changed"] and again["public_keys"] == made["public_keys"]
    (office.home("ada") / ".ssh/id_ed25519.pub").unlink()
    derived = keys(run)[1]["public_keys"]
    assert derived["ada"].split()[:2] == made["public_keys"]["ada"].split()[:2], "it is made from the private one"
    office.write("ada", ".ssh/id_ed25519.pub", f"{KEY}  ada\x1b[2J of (the lab)\n")
    assert keys(run)[1]["public_keys"]["ada"] == f"{KEY} ada2Jofthelab"
    assert list(hostile_path.iterdir()) == []


# --- doctor_reports


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A doctor that says who it is and what it was given."""
    program = tmp_path / "doctor"
    program.write_text(
        textwrap.dedent(
            """\
            #!/bin/sh
            echo '{"findings": [{"verdict": "warn", "check": "who", "remedy": "", "sentence": "'"$(id -u) $GIVEN"'"}]}'
            exit 1
            """
        )
    )
    program.chmod(0o755)
    monkeypatch.setattr(doctor_reports, "DOCTOR", str(program))
    return program


def ask(run, office: Office, seconds: int = 30) -> tuple[set[str], list[str]]:
    """Who could not be asked, and what the doctor says to mallory; ada's has to be right."""
    skipped, answer = run(doctor_reports, people=["mallory", "ada"], seconds=seconds)
    sentences = {finding["name"]: finding["sentence"] for finding in answer["findings"]}
    assert sentences.pop("ada") == f"{office.accounts['ada'].pw_uid} adas"
    return skipped, list(sentences.values())


@pytest.mark.parametrize(
    "profile",
    [
        "exit 0",
        "exec true",
        "exec sleep 300",
        "sleep 300",
        "kill -STOP $$",
        "kill -KILL $$",
        "read answer </dev/tty; while :; do sleep 1; done",
        "exec yes",
        "yes",
        'echo \'{"findings": [{"verdict": "fail", "check": "x", "sentence": "x", "remedy": ""}]}\'; exit 1',
        "trap '' HUP INT TERM; sleep 300",
    ],
)
def test_a_profile_that_keeps_the_doctor_away(profile: str, office: Office, run, doctor: Path) -> None:
    office.write("mallory", ".profile", f"{profile}\n")
    office.write("ada", ".profile", "export GIVEN=adas\n")
    started = time.monotonic()
    assert ask(run, office, seconds=3) == ({"mallory"}, [])
    assert time.monotonic() - started < 20


def test_a_profile_without_end_does_not_fill_the_memory(office: Office, run, doctor: Path) -> None:
    """A shell reads it as a whole; this one is all holes on the disk."""
    os.truncate(office.write("mallory", ".profile", ""), 6 * 1024**3)
    office.write("ada", ".profile", "export GIVEN=adas\n")
    _names, answer = run(doctor_reports, people=["mallory", "ada"], seconds=60)
    (skipped,) = answer["people_skipped"]
    assert skipped["name"] == "mallory" and "seconds" not in skipped["reason"], "it ends before its deadline"


@pytest.mark.parametrize(
    "profile",
    [
        "echo Welcome, '{}'",
        "echo wheelhouse-0123",
        "(sleep 300 &)",
        "sleep 300 & disown",
        "export PATH=$HOME/bin:$PATH",
        "export HOME=/nowhere; cd /",
        "umask 777; ulimit -f 0",
    ],
)
def test_a_profile_that_talks_is_no_matter(profile: str, office: Office, run, doctor: Path) -> None:
    office.write("mallory", ".profile", f"{profile}\nexport GIVEN=mallorys\n")
    office.write("mallory", "bin/wheelhouse-doctor", "#!/bin/sh\necho '{\"findings\": []}'\n").chmod(0o755)
    office.write("ada", ".profile", "export GIVEN=adas\n")
    assert ask(run, office) == (set(), [f"{office.accounts['mallory'].pw_uid} mallorys"])


@pytest.mark.parametrize(
    "report", ["", "[]", "{}", '{"findings": 1}', '{"findings": [{"verdict": "fail"}]}', "[" * 100000]
)
def test_a_report_is_somebody_elses(report: str, office: Office, run, doctor: Path) -> None:
    office.write("mallory", "report", report)
    doctor.write_text(doctor.read_text().replace("echo", "[ ! -e report ] || { cat report; exit 1; }\necho", 1))
    office.write("ada", ".profile", "export GIVEN=adas\n")
    assert ask(run, office) == ({"mallory"}, [])


@pytest.mark.parametrize("kind", HOMES)
def test_the_doctor_with_a_home_that_is_none(kind: str, office: Office, run, doctor: Path) -> None:
    office.write("ada", ".profile", "export GIVEN=adas\n")
    HOMES[kind](office.home("mallory"))
    assert ask(run, office) == ({"mallory"}, [])


# --- virtualenvs


def environments(name: str = "lab", **more) -> list[dict]:
    return [{"owner": owner, "path": f"~/{name}", "python": PYTHON, **more} for owner in ("mallory", "ada")]


@pytest.fixture
def python_for_all() -> None:
    if subprocess.run([PYTHON, "-c", "import ensurepip"], capture_output=True, check=False).returncode:
        pytest.skip(f"{PYTHON} makes no virtualenvs")


def test_an_interpreter_that_only_runs_python_is_in_use(tmp_path: Path) -> None:
    build = tmp_path / ".lab.0123456789abcdef"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", build], check=True)
    assert not virtualenv_builds.is_in_use(str(build))
    waiting = "import sys, time; sys.stdout.write('.'); sys.stdout.flush(); time.sleep(300)"
    ways: tuple[dict[str, Any], ...] = (
        {"args": [build / "bin/python", "-c", waiting]},
        {"args": ["python", "-c", waiting], "env": {"PATH": f"{build}/bin"}},
        {"args": ["./python", "-c", waiting], "cwd": build / "bin"},
        {"args": ["/bin/sh", "-c", f'exec {sys.executable} -c "{waiting}" <{build}/pyvenv.cfg']},
    )
    for way in ways:
        with subprocess.Popen(stdout=subprocess.PIPE, **way) as process:
            try:
                assert process.stdout and process.stdout.read(1) == b"."
                assert virtualenv_builds.is_in_use(str(build)), way
                assert not virtualenv_builds.is_in_use(str(build)[:-1]), "another, whose name begins like it"
            finally:
                process.kill()
    assert not virtualenv_builds.is_in_use(str(build))


@pytest.mark.parametrize("kind", HOMES)
def test_environments_with_a_home_that_is_none(kind: str, office: Office, run, tmp_path: Path) -> None:
    HOMES[kind](office.home("mallory"))
    before = everything(tmp_path, but=office.home("ada"))
    skipped, answer = run(virtualenvs, check_mode=True, environments=environments())
    # a run would have made a home that is missing by now, if the account is one of the directory
    would_be_there = kind == "no home"
    assert skipped == (set() if would_be_there else {"mallory"})
    assert [one["changed"] for one in answer["environments"]] == [would_be_there, True]
    assert everything(tmp_path, but=office.home("ada")) == before


def test_an_environment_is_built_whatever_is_in_the_kernels_beside_it(office: Office, run, python_for_all) -> None:
    """FIFOs among mallory's kernels, and a directory of links for the environment itself."""
    kernels = office.write("mallory", ".local/share/jupyter/kernels/odd/kernel.json", "").parent
    (kernels / "kernel.json").unlink()
    os.mkfifo(kernels / "kernel.json")
    office.own("mallory")
    skipped, answer = run(virtualenvs, environments=environments(mode="0700"))
    assert skipped == set() and [one["changed"] for one in answer["environments"]] == [True, True]
    for name in ("mallory", "ada"):
        build = (office.home(name) / "lab").resolve()
        assert build.parent == office.home(name).resolve() and build.stat().st_uid == office.accounts[name].pw_uid
    again = run(virtualenvs, environments=environments(mode="0700"))[1]
    assert not again["changed"]
    shutil.rmtree((office.home("mallory") / "lab").resolve())
    (office.home("mallory") / "lab").unlink()
    (office.home("mallory") / "lab").symlink_to(office.home("leo"))
    before = everything(office.home("leo"))
    skipped, answer = run(virtualenvs, environments=environments(mode="0700", state="absent"))
    assert skipped == set() and not (office.home("ada") / "lab").exists()
    assert everything(office.home("leo")) == before


# --- homes that root cannot enter


@pytest.fixture
def hang(office: Office, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Mount a file system of FUSE whose server does not answer any more, as sshfs is without a network."""
    bindfs, umount = shutil.which("bindfs"), shutil.which("umount")
    if not bindfs or not umount or not Path("/dev/fuse").exists():
        pytest.skip("there is no bindfs, or no FUSE")
    monkeypatch.setattr(homes, "SECONDS", 3)
    servers, mounted = [], []

    def mount(point: Path) -> None:
        source = office.home("leo")
        server = subprocess.Popen([bindfs, "-f", "-o", "allow_other", source, point], stderr=subprocess.DEVNULL)
        servers.append(server)
        deadline = time.monotonic() + 10
        while not point.is_mount() and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if not point.is_mount():
            pytest.skip("FUSE cannot be used here")
        mounted.append(point)
        server.send_signal(signal.SIGSTOP)

    yield mount
    for server in servers:
        server.kill()
        server.wait()
    for point in mounted:
        subprocess.run([umount, "--lazy", point], check=True)


def test_a_home_that_hangs_costs_its_deadline_and_nobody_else(office: Office, run, hang) -> None:
    office.write("ada", ".bashrc", STRAY)
    hang(office.home("mallory"))
    started = time.monotonic()
    for module, arguments in (
        (managed_files, {"files": credentials()}),
        (conflicting_package_sources, {"index_url": INDEX, "people": ["mallory", "ada"], "remove": True}),
        (ssh_key_pairs, {"people": ["mallory", "ada"], "host": "pc-17"}),
    ):
        skipped, answer = run(module, **arguments)
        assert skipped == {"mallory"} and answer["changed"]
        assert "within 3 seconds" in answer["people_skipped"][0]["reason"]
    assert time.monotonic() - started < 30
    assert NETRC in (office.home("ada") / ".netrc").read_text() and (office.home("ada") / ".ssh/id_ed25519").exists()


def test_what_is_mounted_in_a_home_is_not_looked_into(office: Office, run, hang) -> None:
    office.write("ada", ".bashrc", STRAY)
    remote = office.home("ada") / "remote computer"
    remote.mkdir()
    office.own("ada")
    hang(remote)
    assert run(conflicting_package_sources, index_url=INDEX, people=["ada"], remove=True)[0] == set()
    assert (office.home("ada") / ".bashrc").read_text().startswith(": # removed")


SQUASHED = """
import json, os, pwd, sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
from ansible.module_utils.testing import patch_module_args
import importlib
accounts = {name: pwd.struct_passwd(entry) for name, entry in json.loads(sys.argv[1]).items()}
os.initgroups = lambda name, group: os.setgroups([group])
try:
    os.listdir(accounts["ada"].pw_dir)
    sys.exit("root can enter")
except PermissionError:
    pass
for name, arguments in json.loads(sys.argv[2]).items():
    module = importlib.import_module("ansible_collections.wheelhouse.onboarding.plugins.modules." + name)
    module.account = accounts.get
    with patch_module_args(arguments | {"_ansible_check_mode": False}):
        try:
            module.main()
        except SystemExit:
            pass
"""


def test_a_home_that_root_cannot_enter_is_one_like_any_other(office: Office, python_for_all) -> None:
    """Root without the right to pass by permissions gets what it gets from NFS with root_squash or somebody's FUSE."""
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is part of util-linux")
    office.write("ada", ".bashrc", STRAY)
    office.home("ada").chmod(0o700)
    modules = {
        "managed_files": {"files": credentials()[1:]},
        "conflicting_package_sources": {"index_url": INDEX, "people": ["ada"], "remove": True},
        "ssh_key_pairs": {"people": ["ada"], "host": "pc-17"},
        "virtualenvs": {"environments": environments()[1:]},
    }
    done = subprocess.run(
        [
            *("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", sys.executable, "-c", SQUASHED),
            *(json.dumps({name: list(entry) for name, entry in office.accounts.items()}), json.dumps(modules)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(answers) == len(modules), done.stderr + done.stdout
    assert all(answer["changed"] and answer["people_skipped"] == [] for answer in answers), answers
    assert (office.home("ada") / ".netrc").read_text().count(NETRC) == 1
    assert (office.home("ada") / ".bashrc").read_text().startswith(": # removed")
    assert answers[2]["public_keys"]["ada"].endswith(" ada@pc-17")
    assert (office.home("ada") / "lab/bin/python").exists()
