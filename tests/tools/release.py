"""Make a release: its section of CHANGELOG.md, the built collection and the checksum of that, in dist/.

    python tests/tools/release.py [--check]

The version is that of galaxy.yml. antsibull-changelog gathers changelogs/fragments into changelogs/changelog.yaml and
writes CHANGELOG.md; what is built is the checkout with these changes. galaxy-importer and ansible-builder look at the
result. Nothing is committed, tagged or published: the last lines say what to do for that.
    --check     leaves the changelog alone and needs no clean checkout; for trying the rest
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
LOCK = ROOT / "tests" / "release" / "requirements.txt"
MARKUP = re.compile(r"\b[A-Z]\(|(?<!`)`(?!`)|:\w+:`")
"""What a fragment may not hold: markup of Ansible's documentation, of Markdown, and roles of Sphinx."""


class ReleaseError(Exception):
    """Why there is no release; the text is for the person who wants one."""


def run(*command: str | Path, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """What a command printed, run in the checkout unless `cwd` is another place; the release ends where it fails."""
    words = [str(part) for part in command]
    done = subprocess.run(
        words, cwd=cwd or ROOT, env=environment, text=True, stdout=-1, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        raise ReleaseError(f"{' '.join(words)} failed:\n{done.stdout}")
    return done.stdout


def checkout_files() -> list[str]:
    """What is committed, or would be."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def check_state(version: str) -> None:
    """A release is made of what is committed, once."""
    if changed := run("git", "status", "--porcelain"):
        raise ReleaseError(f"The checkout has changes that are not committed; commit or stash them first:\n{changed}")
    if run("git", "tag", "--list", f"v{version}").strip():
        raise ReleaseError(f"There is a tag v{version} already; write the next version into galaxy.yml.")


def write_changelog(version: str) -> None:
    """Gather the fragments."""
    for path in sorted((ROOT / "changelogs" / "fragments").glob("*.y*ml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        if found := [line.strip() for line in lines if MARKUP.search(line)]:
            raise ReleaseError(f"{path.name}: write code in a fragment as ``code``:\n" + "\n".join(found))
    run(BIN / "antsibull-changelog", "lint")
    run(BIN / "antsibull-changelog", "release", "--reload-plugins")
    # Markdown's escapes are left out of what is compared
    if f"## v{version}\n" not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("\\", ""):
        raise ReleaseError(f"CHANGELOG.md has no section v{version}: is there a fragment?")


def build(version: str, directory: Path) -> Path:
    """The built collection, of the checkout's own files and no other."""
    directory.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "onboarding"
        for name in checkout_files():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
        run(BIN / "ansible-galaxy", "collection", "build", "--force", "--output-path", directory, copy)
    return directory / f"wheelhouse-onboarding-{version}.tar.gz"


def write_checksum(artefact: Path) -> str:
    """Beside the file, in the form that `sha256sum --check` reads."""
    checksum = hashlib.sha256(artefact.read_bytes()).hexdigest()
    artefact.with_name(artefact.name + ".sha256").write_text(f"{checksum}  {artefact.name}\n", encoding="utf-8")
    return checksum


def with_release_tools(*command: str | Path, cwd: Path) -> str:
    """What a program of tests/release/requirements.txt printed."""
    tools: list[str | Path] = [
        "uv",
        "run",
        "--quiet",
        "--no-project",
        "--python",
        sys.executable,
        "--with-requirements",
        LOCK,
    ]
    # ansible-lint is left to `make lint`, which has the collections that this one depends on
    (cwd / "galaxy-importer.cfg").write_text("[galaxy-importer]\nrun_ansible_lint = False\n", encoding="utf-8")
    environment = os.environ | {"GALAXY_IMPORTER_CONFIG": str(cwd / "galaxy-importer.cfg"), "ANSIBLE_NOCOLOR": "1"}
    return run(*tools, *command, cwd=cwd, environment=environment)


def packages(lines: list[str]) -> set[str]:
    """Requirements without their comments."""
    return {line.partition("#")[0].strip() for line in lines} - {""}


def check_artefact(artefact: Path) -> None:
    """What a Galaxy server and an execution environment would make of it."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        found = with_release_tools("python", "-m", "galaxy_importer.main", artefact, cwd=place).splitlines()
        # the modules are not under the GPL, which tests/sanity says
        objections = [
            line for line in found if line.startswith(("ERROR", "WARNING")) and "Ignore files skip" not in line
        ]
        if objections:
            raise ReleaseError("galaxy-importer objects to the built collection:\n" + "\n".join(objections))
        collection = place / "ansible_collections" / "wheelhouse" / "onboarding"
        collection.mkdir(parents=True)
        run("tar", "-xf", artefact, "-C", collection, "--no-same-owner")
        read = yaml.safe_load(with_release_tools("ansible-builder", "introspect", place, cwd=place))
        wanted = packages((collection / "meta" / "ee-requirements.txt").read_text(encoding="utf-8").splitlines())
        if packages(read["python"]) != wanted:
            raise ReleaseError(f"ansible-builder reads {read['python']} from the collection, and not {wanted}.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    try:
        if not arguments.check:
            check_state(version)
            write_changelog(version)
        artefact = build(version, ROOT / "dist")
        check_artefact(artefact)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{write_checksum(artefact)}  {artefact.relative_to(ROOT)}")
    if not arguments.check:
        print(f"Look at CHANGELOG.md, then: git add --all && git commit -m 'Release {version}' && git tag v{version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
