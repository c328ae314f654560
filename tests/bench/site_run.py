"""What a run of site.yml without changes costs, for two checkouts one after the other on the same hosts.

    WHEELHOUSE_DEMO=bench demo/up bookworm
    WHEELHOUSE_DEMO=bench python tests/bench/site_run.py ../main .

Each checkout first brings the hosts to its own settings, which is not counted. Then come its counted runs. A
checkout needs its own .venv (`make setup`), and gets its own image of the index; the hosts' secrets are those of the
first checkout that has them.

Counted are tasks (once for all hosts), results (once for each host), connections (calls of ssh, and of docker with
exec or cp), the CPU seconds of the controller (ansible-playbook and all its child processes, also the clients ssh and
docker) and seconds by the clock. Other jobs on the machine change the last two: compare what one call of this program
prints, on an idle machine.

    --playbook FILE    another playbook of the checkouts
    --inventory DIR    another inventory, below each checkout or absolute
    --runs N           counted runs of each checkout (1); the table has the medians
    --no-converge      count at once
    --json FILE        write all numbers, with the tasks of each play
    -- ARGUMENT...     for ansible-playbook, such as --limit workstations
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

CALLBACKS = Path(__file__).resolve().parent / "callbacks"
PROGRAMS = ("docker", "ssh", "scp", "sftp")
# notes the call, and is the program itself then
SHIM = """#!/bin/sh
echo "{name} $1" >>'{log}'
exec '{program}' "$@"
"""
ROWS = (
    ("tasks", "tasks"),
    ("results on hosts", "results"),
    ("of these skipped", "skipped"),
    ("connections", "connections"),
    ("CPU seconds of the controller", "cpu_seconds"),
    ("seconds", "seconds"),
    ("changed", "changed"),
)


@dataclass(frozen=True)
class Count:
    """One run."""

    tasks: int
    results: int
    skipped: int
    connections: int
    cpu_seconds: float
    seconds: float
    changed: int
    plays: list[dict[str, object]]
    changed_tasks: list[str]


def shims(directory: Path, path: str, log: Path) -> None:
    """Programs that note their calls, for the front of a PATH."""
    for name in PROGRAMS:
        program = shutil.which(name, path=path)
        if program:
            shim = directory / name
            shim.write_text(SHIM.format(name=name, log=log, program=program))
            shim.chmod(0o755)


def connections(log: Path) -> int:
    """How many of the noted calls led to a host."""
    calls = Counter(log.read_text().splitlines()) if log.exists() else Counter()
    return sum(number for call, number in calls.items() if not call.startswith("docker ") or call[7:] in ("exec", "cp"))


def run(checkout: Path, arguments: list[str]) -> Count:
    """Run ansible-playbook in a checkout and count."""
    with tempfile.TemporaryDirectory(prefix="site-run-") as temporary:
        directory, counted = Path(temporary), Path(temporary) / "counted.json"
        path = f"{checkout / '.venv' / 'bin'}:{os.environ['PATH']}"
        (directory / "bin").mkdir()
        shims(directory / "bin", path, directory / "calls")
        environment = os.environ | {
            "PATH": f"{directory / 'bin'}:{path}",
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "count_tasks",
            "COUNT_TASKS_FILE": str(counted),
        }
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(
            ["ansible-playbook", *arguments],
            cwd=checkout,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode or not counted.exists():
            sys.exit(f"{done.stdout[-8000:]}\nansible-playbook in {checkout} ended with {done.returncode}.")
        numbers = json.loads(counted.read_text())
        return Count(
            tasks=numbers["tasks"],
            results=sum(numbers["results"].values()),
            skipped=numbers["results"].get("skipped", 0),
            connections=connections(directory / "calls"),
            cpu_seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            seconds=seconds,
            changed=len(numbers["changed"]),
            plays=numbers["plays"],
            changed_tasks=numbers["changed"],
        )


@contextlib.contextmanager
def same_hosts(checkouts: list[Path]) -> Iterator[None]:
    """Give all checkouts the secrets of the demo's hosts, which one of them has started, and each its own images.

    The index's image holds the program of one checkout, which the roles of another refuse.
    """
    name = f".demo-{os.environ['WHEELHOUSE_DEMO']}" if os.environ.get("WHEELHOUSE_DEMO") else ".demo"
    state = next((checkout / name for checkout in checkouts if (checkout / name).is_dir()), None)
    made = [checkout / name for checkout in checkouts if state and not (checkout / name).exists()]
    try:
        for place in made:
            place.mkdir(mode=0o700)
            for path in (state or place).iterdir():
                if path.name != "images.json":
                    (place / path.name).symlink_to(path)
            release = os.environ.get("WHEELHOUSE_RELEASE", "bookworm")
            subprocess.run([place.parent / "demo" / "images", release, place], check=True)
        yield
    finally:
        for place in made:
            shutil.rmtree(place, ignore_errors=True)


def table(counts: Mapping[Path, list[Count]]) -> str:
    """The medians of each checkout, and the last beside the first."""
    medians = {
        checkout: {name: statistics.median(getattr(one, name) for one in runs) for _title, name in ROWS}
        for checkout, runs in counts.items()
    }
    names = [checkout.name for checkout in counts]
    lines = [["", *names, *(["ratio"] if len(names) > 1 else [])]]
    for title, name in ROWS:
        values = [median[name] for median in medians.values()]
        shown = [f"{value:.1f}" if isinstance(value, float) and value % 1 else f"{value:.0f}" for value in values]
        ratio = [f"{values[-1] / values[0]:.2f}" if values[0] else "-"] if len(values) > 1 else []
        lines.append([title, *shown, *ratio])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            word.ljust(widths[0]) if not column else word.rjust(widths[column]) for column, word in enumerate(line)
        )
        for line in lines
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs="+", type=Path, metavar="CHECKOUT")
    parser.add_argument("--playbook", default="site.yml")
    parser.add_argument("--inventory", default="inventories/demo")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--no-converge", action="store_true")
    parser.add_argument("--json", type=Path)
    words = sys.argv[1:]
    given = words[words.index("--") + 1 :] if "--" in words else []
    options = parser.parse_args(words[: words.index("--")] if "--" in words else words)
    checkouts = [checkout.resolve() for checkout in options.checkouts]
    arguments = ["-i", options.inventory, options.playbook, *given]
    counts: dict[Path, list[Count]] = {checkout: [] for checkout in checkouts}
    with same_hosts(checkouts):
        for checkout in checkouts:
            if not options.no_converge:
                print(f"{checkout}: bringing the hosts to its settings ...", flush=True)
                run(checkout, arguments)
            for number in range(options.runs):
                print(f"{checkout}: counted run {number + 1} ...", flush=True)
                counts[checkout].append(run(checkout, arguments))
    print(table(counts))
    for checkout, runs in counts.items():
        for task in dict.fromkeys(task for one in runs for task in one.changed_tasks):
            print(f"{checkout.name} changed {task}")
    if options.json:
        numbers = {str(checkout): [asdict(one) for one in runs] for checkout, runs in counts.items()}
        options.json.write_text(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    main()
