"""Benchmark of the index, against plain nginx and the servers that people use instead.

    python tests/bench [--quick] STATE_DIRECTORY CONTAINER OUTPUT_DIRECTORY

STATE_DIRECTORY is that of the demo hosts (with the people's passwords), CONTAINER its index host, set up by site.yml
and directory.py.
Writes results.md and results.svg into OUTPUT_DIRECTORY, and every single outcome into .cache/bench/results.json.
`make bench` starts the hosts, runs this and removes them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import installs
import load
import machine
import publishing
import report
import servers
import shelves
from host import WORK, Host, Progress
from plan import FULL, QUICK, Plan

PERSON = "ada"
"""Whose login is used; may publish acme-*."""
ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Measure everything, in the order in which things need each other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small shelves and few rounds, to try things")
    parser.add_argument("state", type=Path)
    parser.add_argument("container")
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    progress = Progress()
    on = machine.describe()
    host = Host(options.container)

    progress.say("Tools and the other servers come to the index host")
    bring_programs(host)
    give_login(host, json.loads((options.state / "vault.json").read_text(encoding="utf-8"))[f"{PERSON}_index"])
    versions = servers.install(host)

    progress.say(f"The closure of {installs.REQUIREMENT} goes onto a shelf")
    shelves.make_room(host)
    packages = shelves.make_closure(host, installs.REQUIREMENT, progress.tick)
    reindexed = {}
    for size in plan.shelves:
        progress.say(f"A shelf of {size:,} files")
        reindexed[size] = shelves.make(host, size, progress.tick)

    progress.say("The servers start")
    host.run("systemctl", "start", shelves.TIMER)
    servers.variants(host)
    servers.start_devpi(host, f"{shelves.path(plan.small)}/packages", f"{WORK}/closure")
    servers.start_proxpi(host)
    for server in pypiservers(plan):
        servers.start_pypiserver(host, server)
    shelves.put_in_place(host, plan.middle)
    give_other_logins(host, (options.state / "directory-login").read_text(encoding="utf-8"))

    loads = [*reads(plan), *growth(plan)]
    progress.say(f"{len(loads)} loads in {plan.rounds} rounds")
    measured = load.Measured()
    load.run(host, loads, plan.rounds, measured, progress.tick)
    progress.say("The servers that need seconds for one answer")
    load.run(host, slow(plan), 1, measured, progress.tick)

    progress.say(f"{packages} packages are installed")
    others = [servers.pypiserver("cached-dir", shelves.CLOSURE), servers.DEVPI, servers.PROXPI]
    competitors = [servers.OURS, servers.OPEN, servers.PLAIN, servers.OURS_HTTP, *others]
    with_login = servers.pypiserver("cached-dir", shelves.CLOSURE, login=True)
    installs.prepare(host, [*competitors, with_login])
    installed = installs.Installed()
    rounds = {installs.PIP: plan.pip_rounds, installs.UV_PIP: plan.uv_rounds}
    installs.run(host, competitors, rounds, packages, installed, progress.tick)
    # takes several times as long, which one round is enough to see
    installs.run(host, [with_login], dict.fromkeys(rounds, 1), packages, installed, progress.tick)

    progress.say("Files are published")
    sizes = [plan.small, plan.large]
    published = publishing.run(host, sizes, plan.publish_rounds, plan.uploads, progress.tick)

    projects = (plan.short, plan.long)
    shelves.make_two_projects(host, projects, progress.tick)
    publishing.run_into_projects(host, projects, plan.publish_rounds, plan.uploads, published, progress.tick)

    results = report.Results(
        plan=plan,
        machine=on,
        versions=versions,
        measured=measured,
        published=published,
        installed=installed,
        others=[*others, with_login],
        packages=packages,
        reindexed=reindexed,
    )
    report.write(results, options.output, command=f"make bench{' BENCH=quick' if options.quick else ''}")
    report.write_raw(results, ROOT / ".cache" / "bench" / "results.json")
    progress.say(f"{options.output / 'results.md'} and results.svg are written")


def bring_programs(host: Host) -> None:
    """Put the programs that run on the host there."""
    host.bring(Path(__file__).parent / "inside", WORK)
    host.write(f"{WORK}/uv.txt", (ROOT / "roles/package_client/files/uv.txt").read_text(encoding="utf-8"))


def give_login(host: Host, password: str) -> None:
    """Put the login where the programs on the host read it: files that only root can read."""
    host.write(f"{WORK}/login/.netrc", f"machine 127.0.0.1 login {PERSON} password {password}\n")
    load.write_headers(host, servers.PASSWORD, PERSON, password)


def give_other_logins(host: Host, of_directory: str) -> None:
    """The same with a new token, which is known on the shelf that is in place, and with a login of the directory."""
    made = host.run(
        *("curl", "--silent", "--show-error", "--fail-with-body", "--netrc-file", f"{WORK}/login/.netrc"),
        *("--header", "Content-Type: application/json", "--data", '{"name": "bench", "for": "1d"}'),
        f"{servers.OURS.url}/api/tokens",
    )
    load.write_headers(host, servers.TOKEN, PERSON, json.loads(made)["token"])
    load.write_headers(host, servers.DIRECTORY, *of_directory.split())


def pypiservers(plan: Plan) -> list[servers.Server]:
    """One for each backend and shelf."""
    return [
        *(servers.pypiserver(backend, size) for backend in ("simple-dir", "cached-dir") for size in plan.shelves),
        servers.pypiserver("cached-dir", plan.middle, login=True),
        servers.pypiserver("cached-dir", shelves.CLOSURE),
        servers.pypiserver("cached-dir", shelves.CLOSURE, login=True),
    ]


def reads(plan: Plan) -> list[load.Load]:
    """Everybody on the middle shelf; those that are compared with each other are next to each other."""
    size = plan.middle
    return [
        load.Load(
            server,
            operation,
            clients,
            shelf,
            # so many large files at once take longer
            plan.seconds * (2 if operation == load.LARGE_FILE and clients > 8 else 1),
            warm=server.unit != servers.OURS.unit,
        )
        for operation in load.OPERATIONS
        for clients in plan.clients
        for server, shelf in (
            (servers.OURS, size),
            (servers.PLAIN, size),
            (servers.OURS_TOKEN, size),
            (servers.OURS_DIRECTORY, size),
            (servers.OPEN, size),
            (servers.OURS_HTTP, size),
            (servers.PLAIN_HTTP, size),
            (servers.pypiserver("cached-dir", size), size),
            # its uploads take so long that it gets the smallest shelf only
            (servers.DEVPI, plan.small),
            (servers.PROXPI, size),
        )
        if server.json or operation != load.JSON_PAGE
    ]


def growth(plan: Plan) -> list[load.Load]:
    """The same page and file on shelves of all sizes, of which the middle one is among `reads` already."""
    return [
        load.Load(server, operation, clients, size, plan.seconds, pages=10 * load.PAGES, warm=False)
        for operation in (load.JSON_PAGE, load.SMALL_FILE)
        for clients in (min(plan.clients), max(plan.clients))
        for server in (servers.OURS, servers.PLAIN)
        for size in (plan.small, plan.large)
    ]


def slow(plan: Plan) -> list[load.Load]:
    """What answers a few times a second at best, run longer and only once."""
    cached = [servers.pypiserver("cached-dir", size) for size in (plan.small, plan.large)]
    simple = [servers.pypiserver("simple-dir", size) for size in plan.shelves]
    with_login = servers.pypiserver("cached-dir", plan.middle, login=True)
    return [
        *(
            load.Load(server, load.HTML_PAGE, min(plan.clients), int(server.shelf), seconds=8, warm=False)
            for server in [*cached, *simple, with_login]
        ),
        *(
            load.Load(server, load.HTML_PAGE, max(plan.clients), plan.middle, seconds=12, warm=False)
            for server in [simple[1], with_login]
        ),
    ]


if __name__ == "__main__":
    main()
