"""Benchmark of fleets: what push and pull cost the controller, with real Ansible and containers on this machine.

    python tests/bench/fleet.py [--sizes 1,10,50] [--more-forks 20] STATE

Runs on the hosts of a demo of its own, whose directory of state STATE is (.demo-fleet): `make bench-fleet` starts and
removes them. Prints tables, which it puts into tests/bench/fleet.md. Takes an hour and a half on two processors.

Measured are, for each size of the company,
    push    site.yml, once more, on the index and all workstations; nothing changes
    pull    fleet.yml, once more, for the same workstations, enrolled
and what wheelhouse-pull costs one of the workstations. What the controller takes is the processor time of
ansible-playbook and of all that it starts, also of the connections that ssh holds open. What hosts take is what the
kernel counts for their containers.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import machine
from cpu import CommandFailed, Engine
from fleet_hosts import Fleet, Run
from host import Host, HostError, Progress
from tabulate import tabulate

FORKS = 5
"""Ansible's default."""
WAITS = "TASK [wheelhouse.onboarding.fleet : Wait for the reports of the hosts]"
"""What Ansible prints once the release is on the index."""
LATE = 120
"""Seconds that hosts look later in one run, so that it shows what waiting for them costs."""
PULL = "wheelhouse-pull"
STATE = "/var/lib/wheelhouse/fleet/state.json"
RELEASE = "/srv/wheelhouse/fleet/release"
NEEDED = {"age": "age", "ssh": "the OpenSSH client", "docker": "Docker's client"}


@dataclass(frozen=True)
class Push:
    """A run of site.yml."""

    size: int
    """Workstations."""
    forks: int
    run: Run


@dataclass(frozen=True)
class Published:
    """A run of fleet.yml."""

    size: int
    run: Run
    after: float
    """Seconds from the start until the release was on the index."""
    each: int
    """Bytes of what one host is given."""
    envelope: int
    """Bytes of the signed list of what there is."""
    collections: int
    """Bytes of the collections, which are published again only if they changed."""


@dataclass(frozen=True)
class Pulled:
    """One host by itself: in seconds, by the clock and of the processor."""

    seconds: float
    cpu: float
    index_cpu: float


@dataclass
class Results:
    """Everything that was measured, and on what."""

    machine: str
    pushes: list[Push] = field(default_factory=list)
    releases: list[Published] = field(default_factory=list)
    waited: Published | None = None
    """Like the first of these, with hosts that come late."""
    alone: dict[str, Pulled] = field(default_factory=dict)
    """By what the host did."""

    def each_poll(self) -> float:
        """Seconds of the controller's processor for asking the index once whether hosts have reported."""
        if not self.waited:
            return 0
        first, late = self.releases[0].run, self.waited.run
        return (late.cost.cpu - first.cost.cpu) / max(late.retries - first.retries, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path, metavar="STATE")
    parser.add_argument("--sizes", default="1,10,50", help="workstations, as a list with commas (default 1,10,50)")
    parser.add_argument(
        "--more-forks", type=int, default=20, help="forks of one more push of the largest size, 0: none"
    )
    options = parser.parse_args()
    sizes = sorted({int(size) for size in options.sizes.split(",")})
    progress = Progress(sys.stderr)
    engine = Engine()
    if fault := missing(options.state, engine):
        print(fault, file=sys.stderr)
        return 1
    results = Results(machine.describe())
    try:
        with Fleet(options.state, engine, progress) as fleet:
            measure(fleet, engine, progress, sizes, options.more_forks, results)
    except (CommandFailed, HostError, KeyboardInterrupt) as failure:
        print(f"{failure or 'Interrupted.'}\nWhat was measured before:\n\n{report(results)}", file=sys.stderr)
        return 1
    print(report(results))
    return 0


def missing(state: Path, engine: Engine) -> str:
    """What this machine lacks, as a sentence."""
    for program, name in NEEDED.items():
        if not shutil.which(program):
            return f"{name} is not installed on this machine, so nothing is measured."
    if not engine.answers():
        return "No Docker engine answers on this machine, so nothing is measured. `make bench-fleet` starts one."
    suffix = state.resolve().name.removeprefix(".demo")
    hosts = [f"wheelhouse-{name}{suffix}" for name in ("proxy", "index", "workstation")]
    if not (state / "images.json").is_file() or not all(map(engine.runs, hosts)):
        return f"The hosts of {state} do not run, so nothing is measured. `make bench-fleet` starts them."
    return ""


def measure(fleet: Fleet, engine: Engine, progress: Progress, sizes: list[int], more: int, results: Results) -> None:
    """Measure. Raises `CommandFailed`, `HostError`."""
    progress.say("Setting up the index and one workstation")
    fleet.set_up(sizes[-1])
    for size in sizes:
        progress.say(f"{size} workstations: starting them, and the first run of site.yml")
        fleet.grow(size)
        for forks in [FORKS] + ([more] if more and size == sizes[-1] else []):
            progress.say(f"{size} workstations: site.yml, {forks} forks")
            results.pushes.append(Push(size, forks, unchanged(fleet.play("site", forks=forks))))
            progress.say(row_of(results.pushes[-1].run))
        progress.say(f"{size} workstations: enrolling them")
        fleet.play("enroll")
        fleet.leave_out_ansible()
        if not results.releases:
            publish(fleet)
        progress.say(f"{size} workstations: fleet.yml")
        results.releases.append(publish(fleet))
        progress.say(row_of(results.releases[-1].run))
        if results.waited is None:
            progress.say("The same, and the host comes late")
            results.waited = publish(fleet, LATE)
            progress.say(row_of(results.waited.run))
            progress.say("One host by itself")
            results.alone = {
                "applies the release again": pull(fleet, engine, again=True),
                "looks, and finds nothing new": pull(fleet, engine, again=False),
            }
        # by push again, with what the next size adds
        (fleet.inventory / "enrolled.generated.yml").unlink()


def unchanged(run: Run) -> Run:
    """The same run; raises `CommandFailed` if it changed something."""
    if run.changed:
        raise CommandFailed("A run that should change nothing changed\n" + "\n".join(run.changed))
    return run


def publish(fleet: Fleet, late: float = 0) -> Published:
    """Run fleet.yml. All hosts look as soon as there is a release, or some seconds later."""
    started = time.monotonic()
    there: list[float] = []
    looking: list[threading.Thread] = []

    def look() -> None:
        time.sleep(late)
        for host in fleet.hosts:
            Host(fleet.container(host)).run("systemctl", "start", "--no-block", PULL)

    def heard(line: str) -> None:
        if line.startswith(WAITS):
            there.append(time.monotonic() - started)
            looking.append(threading.Thread(target=look, daemon=True))
            looking[-1].start()

    run = fleet.play("fleet", forks=FORKS, heard=heard)
    for thread in looking:
        thread.join()
    envelope = fleet.index.run("cat", RELEASE)
    release = json.loads(json.loads(envelope)["release"])
    sizes = [one["size"] for one in release["hosts"].values()]
    return Published(
        len(fleet.hosts), run, there[0], max(sizes), len(envelope.encode()), release["collections"]["size"]
    )


def pull(fleet: Fleet, engine: Engine, again: bool) -> Pulled:
    """One host looks for a release; `again` has it apply the one that it has once more, as each does daily."""
    container, index = fleet.container(fleet.hosts[0]), fleet.container("wheelhouse-index")
    host = Host(container)
    if again:
        host.run("sed", "-i", 's/"applied": [0-9]*/"applied": 0/', STATE)
    before, started = (engine.cpu(container), engine.cpu(index)), time.monotonic()
    host.run("systemctl", "start", PULL, limit=1800)
    seconds = time.monotonic() - started
    taken = Pulled(seconds, engine.cpu(container) - before[0], engine.cpu(index) - before[1])
    if again:
        said = host.run("journalctl", "-u", PULL, "-o", "cat", "-n", "100")
        recap = [line for line in said.splitlines() if line.startswith(fleet.hosts[0])]
        if not recap or "changed=0" not in recap[-1]:
            raise CommandFailed(f"The host changed something when it applied the release again:\n{said}")
    return taken


def row_of(run: Run) -> str:
    """For who waits."""
    return (
        f"    {run.cost.seconds:.0f} s, controller {run.cost.cpu:.1f} s, hosts {run.hosts_cpu:.1f} s,"
        f" index {run.index_cpu:.1f} s, {run.tasks} tasks, {run.results} results, {run.retries} retries"
    )


def report(results: Results) -> str:
    """The tables."""
    each_poll = results.each_poll()
    push = [
        (
            f"{one.size}, {one.forks} forks",
            f"{one.run.cost.seconds:,.0f}",
            f"{one.run.cost.cpu:,.0f}",
            f"{one.run.hosts_cpu:,.0f}",
            f"{one.run.index_cpu:,.1f}",
            f"{one.run.tasks:,}",
            f"{one.run.results:,} ({one.run.skipped:,})",
        )
        for one in results.pushes
    ]
    pull_rows = [
        (
            str(one.size),
            f"{one.after:,.0f}",
            f"{one.run.cost.cpu - one.run.retries * each_poll:,.1f}",
            f"{one.run.index_cpu:,.1f}",
            f"{one.run.tasks:,}",
            f"{one.run.results:,} ({one.run.skipped:,})",
            f"{one.each / 1000:,.1f}",
            f"{one.envelope / 1000:,.1f}",
        )
        for one in results.releases
    ]
    by_itself = [
        (what, f"{taken.seconds:,.1f}", f"{taken.cpu:,.1f}", f"{taken.index_cpu:,.2f}")
        for what, taken in results.alone.items()
    ]
    collections = max((one.collections for one in results.releases), default=0) / 1e6

    def table(rows: Sequence[tuple[str, ...]], *titles: str) -> str:
        return str(tabulate(rows, titles, tablefmt="github", disable_numparse=True))

    return "\n".join(
        [
            "<!-- Written by make bench-fleet. -->",
            f"{results.machine}\n",
            "Workstations, the index and the controller share these processors, so seconds by the clock are those of"
            " one machine that does the work of all. Ansible reaches the hosts by SSH. Each workstation has one"
            " person. There is no Jupyter host and no monitoring. CPU seconds of the controller are those of"
            " ansible-playbook and of all that it starts, of the hosts those of their containers.\n",
            "Push: site.yml on the index and all workstations, once more, so that nothing changes.\n",
            table(
                push,
                "workstations",
                "seconds",
                "CPU s, controller",
                "CPU s, workstations",
                "CPU s, index",
                "tasks",
                "results (skipped)",
            ),
            "",
            f"Pull: fleet.yml for the same workstations, enrolled, with {FORKS} forks. All of them look at once; but"
            " the first, they take the release and report, and do not apply it, since one machine cannot be so"
            " many. The collections are on the index already: "
            f"{collections:,.1f} MB, published after an upgrade.\n",
            table(
                pull_rows,
                "workstations",
                "seconds until published",
                "CPU s, controller",
                "CPU s, index",
                "tasks",
                "results (skipped)",
                "kB for a host",
                "kB of the list",
            ),
            "",
            f"While it waits for reports, it asks the index every 15 seconds, and each time takes {each_poll:.2f} CPU"
            " seconds. The column is without them.\n",
            "One workstation by itself:\n",
            table(by_itself, PULL, "seconds", "CPU s, workstation", "CPU s, index"),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
