# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Builds of virtualenvs, which links lead to, for the module virtualenvs: made, tried out, looked at.

What a person's environment needs is done by a process of that person's; nothing here becomes anybody.
"""

from __future__ import annotations

import contextlib
import glob
import grp
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
from typing import Literal, TypedDict

UV = ("/usr/local/bin/uv", "/opt/wheelhouse/uv/bin/uv")  # the first is a link to the second, once all tools are there
CORPORATE_ENV = "/usr/local/bin/corporate-env"
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
COMPLETE = ".wheelhouse-complete"
CHECK_SECONDS = 300
SEARCH = os.environ.get("PATH", os.defpath)  # root's
BUILD_NAME = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}$")


class Fault(Exception):
    """What is wrong, in a sentence."""


class Wanted(TypedDict):
    """An environment as the module is told it; its options say what each means."""

    path: str
    owner: str
    group: str
    mode: str
    python: str
    requirements: str
    kernel: str
    check: str

    state: Literal["present", "absent"]


def redacted(text: str) -> str:
    """`text` without the credentials of the URLs in it."""
    return re.sub(r"(://)[^/@\s]+@", r"\1***@", text)


def interpreter(python: str) -> str:
    """The file behind the command `python`: a release that brings another Python version asks for new builds."""
    found = shutil.which(python, path=SEARCH)
    if not found:
        raise Fault(f"There is no {python} on this host; install it, or name another interpreter in `python`.")
    return os.path.realpath(found)


def digest(python: str, requirements: str) -> str:
    """What names a build."""
    return hashlib.sha256(json.dumps([1, python, requirements]).encode()).hexdigest()[:16]


def builds(path: str) -> list[str]:
    """All builds beside the environment `path`, also half-made ones."""
    parent, name = os.path.split(path)
    siblings = glob.glob(os.path.join(glob.escape(parent), "." + glob.escape(name) + ".*"))
    return [one for one in siblings if (match := BUILD_NAME.match(os.path.basename(one))) and match["name"] == name]


def current_build(path: str) -> str | None:
    """The build that `path` links to, or None."""
    if not os.path.islink(path):
        return None
    target = os.path.join(os.path.dirname(path), os.readlink(path))
    return target if target in builds(path) else None


def is_complete(build: str) -> bool:
    return os.path.exists(os.path.join(build, COMPLETE)) and os.access(os.path.join(build, "bin", "python"), os.X_OK)


def packages(build: str | None) -> set[str]:
    """{"name version", ...} of what is installed in a build."""
    infos = glob.glob(os.path.join(build or os.devnull, "lib", "python*", "site-packages", "*.dist-info"))
    return {os.path.basename(one)[: -len(".dist-info")].replace("-", " ") for one in infos}


def run(command: list[str], requirements: str = "") -> None:
    """Run an installer through the corporate proxy where there is one; a Fault with its last words when it fails."""
    environment = {name: os.environ[name] for name in ("HOME", "USER", "LOGNAME") if name in os.environ}
    environment.update(
        PATH="/usr/local/bin:/usr/bin:/bin",
        LANG="C.UTF-8",
        PIP_NO_INPUT="1",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        # the interpreters are the host's own
        UV_PYTHON_DOWNLOADS="never",
        # nothing is left behind but the environment
        UV_NO_CACHE="1",
        PIP_NO_CACHE_DIR="1",
    )
    if os.path.exists(CA_BUNDLE):
        # pip before 24.2, and uv unless told, bring their own list of CAs and would not know the company's
        environment.update(SSL_CERT_FILE=CA_BUNDLE, REQUESTS_CA_BUNDLE=CA_BUNDLE)
    if os.access(CORPORATE_ENV, os.X_OK):
        command = [CORPORATE_ENV, *command]
    done = subprocess.run(  # there is no AnsibleModule here; pylint: disable=ansible-bad-function
        command,
        input=requirements,
        encoding="utf-8",
        errors="replace",
        env=environment,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        words = redacted((done.stderr.strip() or done.stdout.strip())[-2000:])
        raise Fault(f"{' '.join(os.path.basename(word) for word in command[:4])} ended with {done.returncode}: {words}")


def install(build: str, python: str, requirements: str) -> None:
    """Make a virtualenv at `build` and install the requirements, from standard input: a URL may hold a password."""
    strict = ["--require-hashes"] if "--hash=" in requirements else []
    new_python = os.path.join(build, "bin", "python")
    uv = next((program for program in UV if os.access(program, os.X_OK)), None)
    if uv:
        # someone who activates the environment expects a pip in it
        seed = [] if re.search(r"^pip\b(?!-)", requirements, re.MULTILINE) else ["--seed"]
        run([uv, "venv", "--quiet", "--no-project", *seed, "--python", python, build])
        if requirements:
            # compiled now, because most users of a shared environment cannot write into it
            run(
                [
                    uv,
                    "pip",
                    "install",
                    "--quiet",
                    "--compile-bytecode",
                    *strict,
                    "--python",
                    new_python,
                    "--requirements",
                    "-",
                ],
                requirements,
            )
    else:
        run([python, "-m", "venv", build])
        if requirements:
            run([new_python, "-m", "pip", "install", "--quiet", *strict, "--requirement", "/dev/stdin"], requirements)


def try_out(build: str, check: str) -> None:
    """Run the program `check` with a new build's Python; a Fault with its last words when it fails."""
    python = os.path.join(build, "bin", "python")
    try:
        done = subprocess.run(  # there is no AnsibleModule here; pylint: disable=ansible-bad-function
            [python, "-"],
            input=check,
            encoding="utf-8",
            errors="replace",
            capture_output=True,
            check=False,
            timeout=CHECK_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Fault(f"its check took more than {CHECK_SECONDS} seconds") from None
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise Fault(f"its check ended with {done.returncode}: {words}")


def is_in_use(build: str) -> bool:
    """Whether a process that this one may look at runs on the build: what it has loaded or open, or was started with.

    An interpreter alone is not to be seen in what is loaded: `bin/python` of a build is a link to the host's own.
    """
    inside = re.compile(re.escape(os.fsencode(build)) + rb"(?![^/\0:;,\s\"'])")
    own = str(os.getpid())
    for process in glob.glob("/proc/[0-9]*"):
        if os.path.basename(process) == own:
            continue
        for name in ("cmdline", "environ", "maps"):
            with contextlib.suppress(OSError), open(os.path.join(process, name), "rb") as stream:
                if inside.search(stream.read()):
                    return True
        links = [os.path.join(process, name) for name in ("exe", "cwd")]
        with contextlib.suppress(OSError):
            links += [entry.path for entry in os.scandir(os.path.join(process, "fd"))]
        for link in links:
            with contextlib.suppress(OSError):
                if inside.match(os.fsencode(os.readlink(link))):
                    return True
    return False


def permissions(build: str, wanted: Wanted) -> tuple[tuple[int, int], tuple[int, int]]:
    """(mode, group) that the top directory of a build should have, and that it has."""
    status = os.stat(build)
    group = grp.getgrnam(wanted["group"]).gr_gid if wanted["group"] else status.st_gid
    return (int(wanted["mode"], 8), group), (stat.S_IMODE(status.st_mode), status.st_gid)


def set_permissions(build: str, wanted: Wanted) -> None:
    (mode, group), found = permissions(build, wanted)
    if group != found[1]:
        os.chown(build, -1, group)
    os.chmod(build, mode)
