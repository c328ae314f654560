"""The work behind the cells: people on the workstation who install and publish, two at a time."""

from __future__ import annotations

import base64
import re
import shlex
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from cells import Batch
from company import Office, publishing_as
from docker_builds import build, remove
from index.samples import Wheel, metadata
from kernels import run_cells
from people import Colleague
from tools import INTERNAL, PUBLIC

# How a script of a person's is run. A login shell has the proxy's settings; the others take the documented ways to them.
SHELLS = {
    "login": "su - {name} -c 'bash {script}'",
    "non-login": """su - {name} -c 'env -i HOME=$HOME USER={name} LOGNAME={name} PATH=$PATH bash -ic ". {script}"' """,
    "service": (
        "systemd-run --quiet --wait --pipe --uid={name} --property=EnvironmentFile=/etc/wheelhouse/people/{name}.env"
        " --property=WorkingDirectory=/home/{name} bash {script}"
    ),
    # cron starts something once a minute; what it started takes its own line out, and says when it is done
    "cron": (
        """rm -f {script}.done; echo "* * * * * crontab -r; /usr/local/bin/corporate-env bash {script} >{script}.out 2>&1; touch {script}.done" """
        "| crontab -u {name} - && timeout 600 sh -c 'until [ -e {script}.done ]; do sleep 0.5; done'; cat {script}.out"
    ),
}
# says which version of a package there is
ASK = "import importlib.metadata as m, sys; print('@@', sys.argv[1], m.version(sys.argv[1]))"
# what each package is fetched anew with, and never found in a cache
FRESH = "export PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 POETRY_CACHE_DIR=$PWD/cache PIP_DISABLE_PIP_VERSION_CHECK=1"


def wheel(project: str, version: str) -> Wheel:
    """A wheel with one module and a command, both named after the project."""
    module = project.replace("-", "_")
    described = metadata(project, version)
    return Wheel(
        module,
        version,
        {
            f"{module}/__init__.py": b"def main():\n    print('here')\n",
            f"{module}-{version}.dist-info/entry_points.txt": f"[console_scripts]\n{project} = {module}:main\n".encode(),
        },
        metadata=described,
    )


@dataclass(frozen=True)
class Outcome:
    """What came of a batch: everything that was said, and the versions of the packages that are there now."""

    said: str
    versions: dict[str, str]


class Work:
    """
    office      the hosts
    people      the colleagues by (kind of password, whether they have files)
    version     of the releases of this run
    """

    def __init__(self, office: Office, people: dict[tuple[str, bool], Colleague], version: str) -> None:
        self.office = office
        self.people = people
        self.version = version
        self._outcomes: dict[Batch, Future[Outcome]] = {}
        # who waits for cron keeps nobody else waiting
        self._pool, self._waiting = ThreadPoolExecutor(2), ThreadPoolExecutor(2)

    def publish_what_is_installed(self) -> None:
        """The company's package, by ada."""
        self.office.publish_as(
            "ada", "rm -rf clients && mkdir clients && cd clients\n" + self._distribution(INTERNAL) + "uv publish"
        )

    def start(self, batches: list[Batch]) -> None:
        """Begin with these; `outcome` waits for one."""
        for batch in batches:
            pool = self._waiting if batch.tool.shell == "cron" else self._pool
            self._outcomes[batch] = pool.submit(self._run, batch)

    def stop(self) -> None:
        """Begin with nothing more, as after an interrupt."""
        for pool in (self._pool, self._waiting):
            pool.shutdown(cancel_futures=True)

    def outcome(self, batch: Batch) -> Outcome:
        return self._outcomes[batch].result()

    def project(self, batch: Batch) -> str:
        """What a batch publishes."""
        return f"acme-by-{batch.slug}-{self.person(batch)}"

    def person(self, batch: Batch) -> str:
        return "leo" if batch.tool.shell == "kernel" else self.people[batch.kind, batch.has_files].name

    def _run(self, batch: Batch) -> Outcome:
        run = {"kernel": self._in_kernel, "docker": self._in_docker}.get(batch.tool.shell, self._in_shell)
        said = run(batch, self.person(batch))
        return Outcome(said, dict(re.findall(r"^@@ (\S+) (\S+)$", said, re.MULTILINE)))

    def _in_shell(self, batch: Batch, name: str) -> str:
        path = f"/home/{name}/clients/{batch.slug}.sh"
        self._as(f"su - {name} -c 'mkdir -p clients && cat >{path}'", self._script(batch))
        return self._as(SHELLS[batch.tool.shell].format(name=name, script=path))

    def _in_kernel(self, batch: Batch, name: str) -> str:
        cells = [f"%env PIP_NO_CACHE_DIR=1\n%pip uninstall -y {INTERNAL} {PUBLIC}"]
        for package in (INTERNAL, PUBLIC):
            cells.append(batch.tool.install.format(package=package))
            cells.append(f"import importlib.metadata as m; print('@@ {package}', m.version('{package}'))")
        return run_cells(self.office, name, *cells)

    def _in_docker(self, batch: Batch, name: str) -> str:
        index, folder, image = self.office.host("index"), f"/root/{batch.slug}-{name}", f"wheelhouse-test-{name}"
        requirements = "".join(batch.tool.install.format(package=package) + "\n" for package in (INTERNAL, PUBLIC))
        said = build(self.office, index, name, requirements, folder, image)
        for package in (INTERNAL, PUBLIC):
            said += index.check_output(f"docker run --rm {image} python3 -c {shlex.quote(ASK)} {package}") + "\n"
        remove(index, folder, image)
        return said

    def _as(self, command: str, text: str = "") -> str:
        """Run a command on the workstation, with something to read; all that it says."""
        host = self.office.access["hosts"]["workstation"]
        done = subprocess.run(
            ["docker", "exec", "-i", host, "sh", "-c", command],
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return done.stdout.decode(errors="replace")

    def _script(self, batch: Batch) -> str:
        """What the person types. Each package that is there afterwards is told in a line `@@ NAME VERSION`."""
        tool, place = batch.tool, f"~/clients/{batch.slug}"
        lines = [f"rm -rf {place} && mkdir -p {place} && cd {place} || exit", FRESH]
        if tool.publishes:
            project, person = self.project(batch), self.people[batch.kind, batch.has_files]
            lines += [
                # which none of their files has
                publishing_as(person.name, person.index_password),
                self._distribution(project),
                f"{tool.install} && echo '@@ {project}' {self.version}",
            ]
        else:
            lines.append(tool.prepare)
            for package in (INTERNAL, PUBLIC):
                install, python = (part.format(package=package) for part in (tool.install, tool.python))
                lines.append(f"{install} && {python} -c {shlex.quote(ASK)} {package}")
        return "\n".join(lines) + "\n"

    def _distribution(self, project: str) -> str:
        """Shell commands that write a project's pyproject.toml and its wheel in dist/."""
        made = wheel(project, self.version)
        pyproject = f'[project]\nname = "{project}"\nversion = "{self.version}"\nrequires-python = ">=3.9"\n'
        content = base64.b64encode(made.build()).decode()
        return (
            f"printf %s {shlex.quote(pyproject)} >pyproject.toml\n"
            f"mkdir dist && echo {content} | base64 -d >dist/{made.filename}\n"
        )
