"""Runs `ansible-test sanity` on the collection as a user has it: built, installed by itself, then tested.

    python tests/tools/sanity.py [ansible-test arguments, e.g. --test validate-modules or -v]

ansible-test makes a virtualenv per test and fills it with a pip that neither knows the caller's proxy, CA and index
(its environment is cleared) nor starts without a bootstrap script from a server beside the package index. So everything
it will install is fetched here first, in the caller's environment, and it gets a home directory whose pip reads from
that folder only. All of it stays in .cache/sanity.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ansible_test

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".cache" / "sanity"
WHEELS = CACHE / "wheels"
FETCHED = WHEELS / "complete.txt"
HOME = CACHE / "home"
COLLECTION = CACHE / "ansible_collections" / "wheelhouse" / "onboarding"
BIN = Path(sys.executable).parent
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# Programs for one known Python, not plugins for whatever Ansible finds on a host: ruff and shellcheck see to them.
PROGRAMS = ["roles/*/files/"]

# What ansible-test runs in an empty virtualenv, in place of the bootstrap script it would download.
BOOTSTRAP = """\
import sys
sys.path.insert(0, {wheel!r})
from pip._internal.cli.main import main
sys.exit(main(["install", "--disable-pip-version-check", {wheel!r}]))
"""


def run(*command: str | Path, environment: dict[str, str] | None = None, output: int | None = None) -> None:
    subprocess.run([str(part) for part in command], check=True, env=environment, stdout=output)


def pins() -> str:
    """The requirements of all sanity tests, each of which ansible-test pins, and of the pip that installs them."""
    parts = Path(ansible_test.__path__[0])
    (version,) = re.findall(r"""pip=['"]([\d.]+)['"]""", (parts / "_internal" / "python_requirements.py").read_text())
    files = (parts / "_data" / "requirements").glob("sanity.*.txt")
    lines = {line for path in files for line in path.read_text().splitlines() if not line.startswith("#")}
    return "\n".join([f"pip=={version}", *sorted(lines)])


def fetch(wanted: str) -> None:
    """Fetch wheels, and write what makes ansible-test use them."""
    print("Fetching what ansible-test needs ...", flush=True)
    shutil.rmtree(CACHE, ignore_errors=True)
    WHEELS.mkdir(parents=True)
    requirements = CACHE / "requirements.txt"
    requirements.write_text(wanted)
    run(sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--dest", WHEELS, "--requirement", requirements)

    pip_wheel = next(WHEELS.glob("pip-*.whl"))
    bootstrap = HOME / ".ansible" / "test" / "cache" / f"get_pip_{pip_wheel.name.split('-')[1].replace('.', '_')}.py"
    bootstrap.parent.mkdir(parents=True)
    bootstrap.write_text(BOOTSTRAP.format(wheel=str(pip_wheel)))
    pip_conf = HOME / ".config" / "pip" / "pip.conf"
    pip_conf.parent.mkdir(parents=True)
    pip_conf.write_text(f"[global]\nno-index = true\nfind-links = {WHEELS.as_uri()}\nquiet = 1\n")
    FETCHED.write_text(wanted)


def install_collection() -> None:
    """Build the collection from the checkout and install it afresh."""
    shutil.rmtree(COLLECTION, ignore_errors=True)
    shutil.rmtree(CACHE / "dist", ignore_errors=True)
    galaxy = BIN / "ansible-galaxy"
    environment = os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(CACHE)}
    build = (galaxy, "collection", "build", "--output-path", CACHE / "dist", CHECKOUT)
    run(*build, environment=environment, output=subprocess.DEVNULL)
    artifact = next((CACHE / "dist").glob("*.tar.gz"))
    install = (galaxy, "collection", "install", "--offline", "--force", "--no-deps", "-p", CACHE, artifact)
    run(*install, environment=environment, output=subprocess.DEVNULL)
    # else ansible-test asks the checkout's repository for the files, which ignores .cache
    run("git", "init", "--quiet", COLLECTION)


def main() -> int:
    wanted = pins()
    if not FETCHED.exists() or FETCHED.read_text() != wanted:
        fetch(wanted)
    install_collection()
    environment = os.environ | {"HOME": str(HOME), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    command = [str(BIN / "ansible-test"), "sanity", "--local", "--python", PYTHON, "--color", "no"]
    for folder in sorted(path for pattern in PROGRAMS for path in COLLECTION.glob(pattern)):
        command += ["--exclude", f"{folder.relative_to(COLLECTION)}/"]
    return subprocess.run([*command, *sys.argv[1:]], cwd=COLLECTION, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
