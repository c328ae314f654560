"""A run takes little memory, however large files and pages are; and what goes wrong in it is shown as what it is."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from wheelhouse.intake import cli as intake_cli
from wheelhouse.intake.pypi import candidates, loopback_index
from wheelhouse.intake.pypi import source as pypi_source
from wheelhouse.store.downloads import Received

from .intake import Office
from .public import PublicFile
from .samples import Wheel

LARGE = 96 * 2**20
"""Bytes; the program without any work takes about as much."""


def memory_of_a_run() -> int:
    """The most bytes that the process of a run had at once; uv, pip-audit and the readers of archives are others."""
    program = (
        "import resource, sys; from wheelhouse import cli; code = cli.main(['intake']);"
        " print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, code)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    _, peak, code = done.stdout.splitlines()[-1].split()
    assert code == "0", done.stderr
    return int(peak)


def wheel(name: str, size: int) -> PublicFile:
    """One that has no metadata beside it upstream, so that uv reads all of it."""
    built = Wheel(name, members={f"{name}/data.bin": os.urandom(size)})
    file = PublicFile(built.filename, built.build())
    file.says = {"core-metadata": False}
    return file


def test_a_large_wheel(office: Office, configure: Callable[..., None]) -> None:
    configure(max_file_size=2 * LARGE)
    for name, size in (("small", 100), ("large", LARGE)):
        office.public.projects[name] = [wheel(name, size)]
    office.wants("small")
    small = memory_of_a_run()
    office.wants("small", "large")
    assert memory_of_a_run() - small < LARGE // 3
    assert len(office.shelved()) == 2


def test_pages_that_have_no_room_in_memory(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are kept on the disk: upstream is asked once for each, and what is chosen is the same."""
    monkeypatch.setattr(candidates, "MAX_FILES", 3)
    names = ("alpha", "beta", "gamma", "delta")
    for name in names:
        for version in ("1.0", "1.1", "1.2"):
            office.publish(name, version, needs=[other for other in names if other > name])
    office.wants("alpha", "beta<1.2", "gamma")
    assert office.run() == 0
    pages = sorted(path for path in office.public.asked if path.startswith("/simple/"))
    assert pages == [f"/simple/{name}/" for name in sorted(names)]
    assert office.shelved() == {f"{name}-1.2-py3-none-any.whl" for name in names} | {"beta-1.1-py3-none-any.whl"}


def broken(*_: object, **__: object) -> None:
    raise ValueError("a bug")


def test_a_bug_is_no_fault_of_the_list(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the run as any bug ends a program; the report says where to look."""
    office.publish("alpha")
    office.wants("alpha")
    for module, name in ((loopback_index, "serialize"), (pypi_source, "look_at")):
        with monkeypatch.context() as patched, pytest.raises(ValueError, match="a bug"):
            patched.setattr(module, name, broken)
            office.run()
        assert (office.last_run()["outcome"], office.last_run()["problems"]) == ("failed", [intake_cli.STOPPED])
    assert office.run() == 0


def test_the_disk_is_full_while_uv_asks(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.publish("alpha")
    office.wants("alpha")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/shelf")

    with monkeypatch.context() as patched:
        patched.setattr(Received, "write", full)
        assert office.run() == 1
    sentence = "/shelf: No space left on device; the next run goes on where this one stopped."
    assert office.last_run()["problems"] == [sentence]
    assert office.run() == 0
