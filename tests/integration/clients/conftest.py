"""The scenario's people and settings on the hosts, and the table that is printed at its end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from cells import MODES, PACKAGES, Batch, Cell
from company import INVENTORY, ROOT, STATE, Office, host_of, site
from people import FILES, PASSWORDS, Colleague, colleagues, write_settings
from tools import TOOLS
from work import Work

OUTCOMES = pytest.StashKey[dict[Cell, str]]()
BATCHES = pytest.StashKey[list[Batch]]()
SETTINGS = STATE / "clients.json"


def apply(part: str, *hosts: str) -> None:
    """Run a part of site.yml with the scenario's settings; nothing more is worth trying where it fails."""
    limit = ",".join(f"wheelhouse-{host}" for host in hosts)
    run = site("--extra-vars", f"@{SETTINGS}", "--limit", limit, "--tags", part, check=False)
    if run.rc != 0:
        pytest.exit(f"The part {part} of site.yml failed:\n{run.output[-8000:]}", returncode=1)


@pytest.fixture(scope="session")
def everybody(office: Office) -> dict[tuple[str, bool], Colleague]:
    """The colleagues, known to the company's proxy."""
    write_settings(SETTINGS, {})
    create = ["ansible-playbook", "-i", str(INVENTORY), "-e", f"@{SETTINGS}", "--limit", "wheelhouse-proxy"]
    subprocess.run([*create, str(ROOT / "demo/create.yml")], cwd=ROOT, check=True, capture_output=True)
    return {(one.kind, one.has_files): one for one in colleagues()}


@pytest.fixture(scope="session")
def work(office: Office, everybody: dict[tuple[str, bool], Colleague]) -> Iterator[Work]:
    """What there is to install, published by ada."""
    host_of("workstation").check_output(
        "command -v crontab || corporate-env apt-get install -qq -y --no-install-recommends cron"
    )
    work = Work(office, everybody, version=f"1.{int(time.time())}")
    work.publish_what_is_installed()
    yield work
    work.stop()


@pytest.fixture(scope="session")
def at_work(
    request: pytest.FixtureRequest, work: Work, everybody: dict[tuple[str, bool], Colleague]
) -> Callable[[str], Work]:
    """Has everybody do what there is to do in a mode, once all is set up for it, and gives the work."""
    now: list[str] = []

    def begin(mode: str) -> Work:
        if now != [mode]:
            write_settings(SETTINGS, {"corporate_proxy_mode": mode} if mode == "relay" else {})
            plays = [("base", "workstation", "jupyter")] + ([] if now else [("index", "index")])
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda play: apply(*play), plays))
            if not now:
                write_files(everybody.values())
                apply("clients", "workstation")
            now[:] = [mode]
            work.start([batch for batch in request.config.stash[BATCHES] if batch.mode == mode])
        return work

    return begin


def write_files(people: Iterable[Colleague]) -> None:
    """What people had before IT came."""
    workstation = host_of("workstation")
    for person in people:
        for path, text in FILES.items() if person.has_files else ():
            write = f"cd && mkdir -p $(dirname {path}) && cat >{path}"
            workstation.check_output("printf %%s %s | su %s -s /bin/sh -c %s", text, person.name, write)


def cell_of(item: pytest.Item) -> Cell | None:
    return item.callspec.params.get("cell") if hasattr(item, "callspec") else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Remember which batches there is a reason to run."""
    session.config.stash[BATCHES] = list(dict.fromkeys(cell.batch for cell in map(cell_of, session.items) if cell))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember what became of each cell."""
    report = yield
    cell = cell_of(item)
    if cell and (report.when == "call" or report.outcome != "passed"):
        item.config.stash.setdefault(OUTCOMES, {})[cell] = report.outcome
    return report


def is_of(mode: str, package: str, cell: Cell) -> bool:
    return (cell.batch.mode, cell.package) == (mode, package)


def has_kind(kind: str, cell: Cell) -> bool:
    return cell.batch.kind == kind


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    outcomes = terminalreporter.config.stash.get(OUTCOMES, {})
    if not outcomes:
        return
    columns: dict[str, Callable[[Cell], bool]] = {}
    for mode in reversed(MODES):
        for package in PACKAGES:
            columns[f"{mode}, {package}"] = partial(is_of, mode, package)
    for kind in PASSWORDS:
        columns[kind] = partial(has_kind, kind)
    columns["no files"] = lambda cell: not cell.batch.has_files
    columns["own files"] = lambda cell: cell.batch.has_files
    widths = [max(len(name), 7) for name in columns]
    first = max(len(tool.name) for tool in TOOLS)
    terminalreporter.section("every tool, and what it was tried with")
    terminalreporter.write_line(
        "  ".join([" " * first, *(name.ljust(width) for name, width in zip(columns, widths, strict=True))])
    )
    for tool in TOOLS:
        of_tool = {cell: outcome for cell, outcome in outcomes.items() if cell.batch.tool == tool}
        said = [
            summary([outcome for cell, outcome in of_tool.items() if belongs(cell)]) for belongs in columns.values()
        ]
        if tool.publishes:
            said = ["-" if name.endswith("public") else word for name, word in zip(columns, said, strict=True)]
        terminalreporter.write_line(
            "  ".join([tool.name.ljust(first), *(word.ljust(width) for word, width in zip(said, widths, strict=True))])
        )


def summary(outcomes: list[str]) -> str:
    """One word for several cells."""
    if "failed" in outcomes:
        return "FAILED"
    return "ok" if "passed" in outcomes else "not run"
