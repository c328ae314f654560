"""Furnish an adversary's home, as that adversary: `python3 -I - COSTUME` in a process of theirs, with this file as its input.

What lies where our roles expect files depends on the costume:

    programs    programs in every directory that a person can put on a PATH, profiles that print and wait, two keys in one file
    fifos       named pipes and sockets
    links       links to root's files, to a colleague's, to devices and to /
    dirs        directories
    huge        sparse files of 100 GB, and a directory of many files
    locked      a home that nobody may enter

Programs and settings that get to run note the uid they ran with in /var/tmp/gained-UID, which tests/integration/adversaries.py
looks at. Running this again gives the same home.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HOME = Path(pwd.getpwuid(os.getuid()).pw_dir)
COSTUME = sys.argv[1]

# Where the roles, the doctor, the tunnel, JupyterLab and sshd read or write.
FILES = [
    ".netrc",
    ".pypirc",
    ".condarc",
    ".mambarc",
    ".bashrc",
    ".bash_profile",
    ".profile",
    ".zshenv",
    ".zshrc",
    ".pip/pip.conf",
    ".config/pip/pip.conf",
    ".config/uv/uv.toml",
    ".config/pypoetry/config.toml",
    ".config/pypoetry/auth.toml",
    ".config/pdm/config.toml",
    ".config/fish/config.fish",
    ".config/environment.d/wheelhouse.conf",
    ".config/wheelhouse-adversary",
    ".local/share/pipx/venvs/tool/pipx_metadata.json",
    ".local/share/jupyter/kernels/python3/kernel.json",
    ".jupyter/jupyter_server_config.py",
    ".ssh/id_ed25519.pub",
    ".ssh/config",
    ".ssh/known_hosts",
    ".ssh/authorized_keys",
    ".ssh/rc",
    "miniforge3/.condarc",
]
TARGETS = [
    "/etc/shadow",
    "/root/canary",
    "/home/ada/canary",
    "/home/ada/.netrc",
    "/dev/zero",
    "/dev/full",
    "/",
    "/etc/wheelhouse/proxy.env",
]
PROGRAMS = [
    "bash",
    "cat",
    "chmod",
    "chown",
    "conda",
    "cp",
    "env",
    "find",
    "git",
    "grep",
    "id",
    "ipython",
    "jupyter",
    "jupyter-lab",
    "jupyter-server",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "pip",
    "pip3",
    "pkill",
    "poetry",
    "python",
    "python3",
    "rm",
    "rsync",
    "runuser",
    "sed",
    "sh",
    "ssh",
    "ssh-keygen",
    "stat",
    "su",
    "sudo",
    "systemctl",
    "tar",
    "tee",
    "test",
    "touch",
    "true",
    "uv",
]
PROGRAM_DIRECTORIES = ["bin", ".local/bin", ".cargo/bin", ".venvs/jupyter/bin", "venv/bin", "miniforge3/bin"]
NOTE = 'echo "$(/usr/bin/id -u) $0 $*" >>"/var/tmp/gained-$(/usr/bin/id -u)"'


def program(name: str) -> str:
    """A shell script that notes who runs it and goes on as the program of that name."""
    return f'#!/bin/sh\n{NOTE}\nfor directory in /usr/bin /bin /usr/sbin /usr/local/bin; do\n    [ -x $directory/{name} ] && exec $directory/{name} "$@"\ndone\nexit 1\n'


def write(path: str, text: str, mode: int = 0o600) -> None:
    """A file below the home."""
    file = HOME / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.is_symlink():  # a virtualenv's link to the host's interpreter
        file.unlink()
    file.write_text(text)
    file.chmod(mode)


def programs() -> None:
    """The costume `programs`."""
    for directory in PROGRAM_DIRECTORIES:
        for name in PROGRAMS:
            write(f"{directory}/{name}", program(name), 0o755)
    path = ":".join(str(HOME / directory) for directory in PROGRAM_DIRECTORIES)
    profile = f'{NOTE}\necho "noise of a profile" && echo "more noise" >&2\nexport PATH="{path}:$PATH" BASH_ENV=~/.bashrc ENV=~/.bashrc\n'
    write(".bashrc", profile)
    write(".zshenv", profile)
    write(".profile", profile + "sleep 3600\n")
    write(".ssh/rc", f"#!/bin/sh\n{NOTE}\n", 0o755)
    write(
        ".ssh/config",
        f"Host *\n    RemoteCommand {HOME}/bin/sh\n    RequestTTY force\n    ProxyCommand {HOME}/bin/ssh %h\n",
    )
    write(".ssh/environment", f"PATH={path}\nLD_PRELOAD={HOME}/preload.so\n")
    write(".pam_environment", f"PATH DEFAULT={path}\nLD_PRELOAD DEFAULT={HOME}/preload.so\n")
    write(".config/environment.d/adversary.conf", f"PATH={path}\nLD_PRELOAD={HOME}/preload.so\nPYTHONPATH={HOME}\n")
    note = "import os\nwith open(f'/var/tmp/gained-{os.getuid()}', 'a') as stream: print(os.getuid(), __file__, file=stream)\n"
    for name in (
        "sitecustomize.py",
        "usercustomize.py",
        "json.py",
        ".jupyter/jupyter_server_config.py",
        ".config/pip.py",
    ):
        write(name, note)
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    write(f".local/lib/{minor}/site-packages/usercustomize.py", note)
    keygen = Path("/usr/bin/ssh-keygen")
    if keygen.exists():  # not before a first run has come that far
        two_keys(keygen)


def two_keys(keygen: Path) -> None:
    """A public key file with another key's line in it."""
    for name in ("id_ed25519", "second"):
        if not (HOME / ".ssh" / name).exists():
            command = [str(keygen), "-q", "-t", "ed25519", "-N", "", "-f", str(HOME / ".ssh" / name)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    first, second = (HOME / ".ssh/id_ed25519.pub").read_text(), (HOME / ".ssh/second.pub").read_text()
    if second.strip() not in first:
        (HOME / ".ssh/id_ed25519.pub").write_text(first + second.rstrip("\n"))


def instead_of_files(make: Callable[[Path, int], None]) -> None:
    """Call `make(path, number)` for the place of each of FILES."""
    for number, name in enumerate(FILES):
        path = HOME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_symlink() and path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        make(path, number)


def fifo(path: Path, number: int) -> None:
    """A named pipe, or a socket where the path is short enough for one."""
    if number % 3 or len(str(path)) > 100:
        os.mkfifo(path, 0o600)
    else:
        socket.socket(socket.AF_UNIX).bind(str(path))


def link(path: Path, number: int) -> None:
    """A link to something that is not theirs."""
    # what a public key holds is published, so this one is worth most
    path.symlink_to("/root/canary" if path.name == "id_ed25519.pub" else TARGETS[number % len(TARGETS)])


def directory(path: Path, number: int) -> None:
    """A directory with something in it."""
    path.mkdir()
    (path / "file").write_text("machine packages.acme.example login me password mine\n")


def huge(path: Path, number: int) -> None:
    """100 GB of nothing."""
    with path.open("wb") as stream:
        stream.truncate(100 * 10**9)


def main() -> None:
    """Furnish the home."""
    HOME.chmod(0o700)
    if COSTUME == "programs":
        programs()
    elif COSTUME == "fifos":
        instead_of_files(fifo)
    elif COSTUME == "links":
        instead_of_files(link)
        for name, target in {
            "team": "/srv/team",
            "colleague": "/home/ada",
            ".wine/dosdevices/z:": "/",
            "shadow": "/etc/shadow",
        }.items():
            (HOME / name).parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                (HOME / name).symlink_to(target)
        # the kernel refuses these where protected_hardlinks is on
        for number, target in enumerate(("/home/ada/canary", "/root/canary", "/srv/team/results.csv", "/etc/passwd")):
            with contextlib.suppress(OSError):
                os.link(target, HOME / f"hard{number}")
    elif COSTUME == "dirs":
        instead_of_files(directory)
    elif COSTUME == "huge":
        instead_of_files(huge)
        many = HOME / ".conda"
        many.mkdir(exist_ok=True)
        for number in range(5000):
            (many / f"{number}").mkdir(exist_ok=True)
    elif COSTUME == "locked":
        write("notes.txt", "mine\n")
        HOME.chmod(0)
    else:
        sys.exit(f"no such costume: {COSTUME}")


main()
