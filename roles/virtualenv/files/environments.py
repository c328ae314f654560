"""Bring the virtualenvs of a host to the wanted state.

tasks/environments.yml runs this as root on the target, once for all environments, with an order in JSON on standard
input; the answer goes to standard output. An environment is a symbolic link to a build beside it, whose name holds a
digest of what was asked for:

    /opt/wheelhouse/jupyter -> .jupyter.3f2a9c04b7de8a11

A build is made beside the one in use, and the link moves when it is complete. So programs that run on the old build
keep it, an interrupted build is never in use, and to see that nothing changed takes one look at the link. The build
before the current one stays, and so does any older one that a process still runs on. What belongs to a person is done
by a process that has become that person.
"""

import contextlib
import fcntl
import glob
import grp
import hashlib
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import traceback

UV = "/usr/local/bin/uv"
CORPORATE_ENV = "/usr/local/bin/corporate-env"
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
COMPLETE = ".wheelhouse-complete"
CHECK_SECONDS = 300
BUILD_NAME = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}$")


class Fault(Exception):
    """What is wrong, in a sentence."""


def redacted(text):
    """`text` without the credentials of the URLs in it."""
    return re.sub(r"(://)[^/@\s]+@", r"\1***@", text)


def interpreter(python):
    """The file behind the command `python`: a release that brings another Python version asks for new builds."""
    found = shutil.which(python)
    if not found:
        raise Fault(f"There is no {python} on this host; install it, or name another interpreter in `python`.")
    return os.path.realpath(found)


def digest(python, requirements):
    """What names a build."""
    return hashlib.sha256(json.dumps([1, python, requirements]).encode()).hexdigest()[:16]


def builds(path):
    """All builds beside the environment `path`, also half-made ones."""
    parent, name = os.path.split(path)
    siblings = glob.glob(os.path.join(glob.escape(parent), "." + glob.escape(name) + ".*"))
    return [one for one in siblings if (match := BUILD_NAME.match(os.path.basename(one))) and match["name"] == name]


def current_build(path):
    """The build that `path` links to, or None."""
    if not os.path.islink(path):
        return None
    target = os.path.join(os.path.dirname(path), os.readlink(path))
    return target if target in builds(path) else None


def is_complete(build):
    return os.path.exists(os.path.join(build, COMPLETE)) and os.access(os.path.join(build, "bin", "python"), os.X_OK)


def packages(build):
    """{"name version", ...} of what is installed in a build."""
    infos = glob.glob(os.path.join(build or os.devnull, "lib", "python*", "site-packages", "*.dist-info"))
    return {os.path.basename(one)[: -len(".dist-info")].replace("-", " ") for one in infos}


def run(command, requirements=""):
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
    done = subprocess.run(command, input=requirements, text=True, env=environment, capture_output=True, check=False)
    if done.returncode:
        words = redacted((done.stderr.strip() or done.stdout.strip())[-2000:])
        raise Fault(f"{' '.join(os.path.basename(word) for word in command[:4])} ended with {done.returncode}: {words}")


def install(build, python, requirements):
    """Make a virtualenv at `build` and install the requirements, from standard input: a URL may hold a password."""
    strict = ["--require-hashes"] if "--hash=" in requirements else []
    new_python = os.path.join(build, "bin", "python")
    if os.access(UV, os.X_OK):
        # someone who activates the environment expects a pip in it
        seed = [] if re.search(r"^pip\b(?!-)", requirements, re.MULTILINE) else ["--seed"]
        run([UV, "venv", "--quiet", "--no-project", *seed, "--python", python, build])
        if requirements:
            # compiled now, because most users of a shared environment cannot write into it
            run(
                [
                    UV,
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


def try_out(build, check):
    """Run the program `check` with a new build's Python; a Fault with its last words when it fails."""
    python = os.path.join(build, "bin", "python")
    try:
        done = subprocess.run(
            [python, "-"], input=check, text=True, capture_output=True, check=False, timeout=CHECK_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Fault(f"its check took more than {CHECK_SECONDS} seconds") from None
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise Fault(f"its check ended with {done.returncode}: {words}")


def is_in_use(build):
    """Whether a process that this one may look at has a file of the build loaded."""
    for maps in glob.glob("/proc/[0-9]*/maps"):
        try:
            with open(maps, encoding="utf-8", errors="replace") as stream:
                if f" {build}/" in stream.read():
                    return True
        except OSError:
            continue
    return False


def kernels_directory(owner):
    """Where Jupyter looks for kernels: everybody's, or those of one person."""
    if owner == "root":
        return "/usr/local/share/jupyter/kernels"
    return os.path.expanduser("~/.local/share/jupyter/kernels")


def kernels_of(path, owner):
    """The directories of kernels that were registered here for the environment `path`: {directory: text}."""
    found = {}
    for spec in glob.glob(os.path.join(glob.escape(kernels_directory(owner)), "*", "kernel.json")):
        try:
            with open(spec, encoding="utf-8") as stream:
                text = stream.read()
            if json.loads(text)["metadata"]["wheelhouse"] == path:
                found[os.path.dirname(spec)] = text
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return found


def kernel_text(path, build, display_name):
    """A kernel.json that names the build, not the link: a running kernel keeps what it has when the link moves."""
    python = os.path.join(build, "bin", "python")
    prefix = [CORPORATE_ENV] if os.access(CORPORATE_ENV, os.X_OK) else []
    spec = {
        "argv": [*prefix, python, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": display_name,
        "language": "python",
        # `!pip` and `!uv` mean the environment that the notebook runs on
        "env": {"VIRTUAL_ENV": build, "PATH": f"{build}/bin:/usr/local/bin:/usr/bin:/bin"},
        "metadata": {"debugger": True, "wheelhouse": path},
    }
    return json.dumps(spec, indent=2) + "\n"


def register_kernel(path, build, wanted, check):
    """Let Jupyter know the environment as a kernel, or no longer; whether anything changed."""
    registered = kernels_of(path, wanted["owner"])
    name = re.sub(r"[^a-z0-9._-]+", "-", wanted["kernel"].lower()).strip("-.")
    directory = os.path.join(kernels_directory(wanted["owner"]), name) if name else None
    text = kernel_text(path, build, wanted["kernel"]) if name else None
    if registered == ({directory: text} if name else {}):
        return False
    if name and directory not in registered and os.path.lexists(directory):
        raise Fault(f"There is another kernel in {directory}; give {path} another name in `kernel`.")
    if check:
        return True
    if name:
        os.makedirs(directory, exist_ok=True)
        partial = os.path.join(directory, ".kernel.json")
        with open(partial, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(partial, os.path.join(directory, "kernel.json"))
    forget_kernels([other for other in registered if other != directory], wanted["owner"])
    return True


def forget_kernels(directories, owner):
    """Remove kernels, and the directories around them when nothing else is in there."""
    for directory in directories:
        shutil.rmtree(directory)
    around = kernels_directory(owner)
    with contextlib.suppress(OSError):
        os.rmdir(around)
        os.rmdir(os.path.dirname(around))


def permissions(build, wanted):
    """The mode and the group the top directory of a build should have."""
    status = os.stat(build)
    group = grp.getgrnam(wanted["group"]).gr_gid if wanted["group"] else status.st_gid
    return (int(wanted["mode"], 8), group), (stat.S_IMODE(status.st_mode), status.st_gid)


def set_permissions(build, wanted):
    (mode, group), found = permissions(build, wanted)
    if group != found[1]:
        os.chown(build, -1, group)
    os.chmod(build, mode)


def refuse_what_others_can_write(path):
    """A directory that someone else can write in is no place for root to work in."""
    parent = os.path.dirname(path)
    while True:
        if os.path.isdir(parent):
            status = os.stat(parent)
            if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise Fault(
                    f"Others than root can write in {parent}; name the `owner` of {path}, or choose another place."
                )
        if parent == "/":
            return
        parent = os.path.dirname(parent)


def locked(directory):
    """Keep others out of `directory` until this process ends: a run that was killed may have left one at work."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def present(path, wanted, check):
    """Build what is missing and move the link; what changed, as an answer."""
    python = interpreter(wanted["python"])
    parent, name = os.path.split(path)
    if not check:
        os.makedirs(parent, exist_ok=True)
        locked(parent)
    build = os.path.join(parent, f".{name}.{digest(python, wanted['requirements'])}")
    old = current_build(path)
    if os.path.lexists(path) and not old:
        raise Fault(f"{path} exists and was not made by this role; move it away, or give the environment another path.")
    if old == build and is_complete(build):
        should, found = permissions(build, wanted)
        if should != found and not check:
            set_permissions(build, wanted)
        changed = {"permissions": should != found, "kernel": register_kernel(path, build, wanted, check)}
        return {"changed": any(changed.values()), "what": ", ".join(name for name in changed if changed[name])}
    if not check:
        if not is_complete(build):
            shutil.rmtree(build, ignore_errors=True)
            try:
                install(build, python, wanted["requirements"])
                if wanted["kernel"] and not any(one.startswith("ipykernel ") for one in packages(build)):
                    raise Fault("it is to be a kernel and has no ipykernel; add that to its requirements")
                if wanted["check"]:
                    try_out(build, wanted["check"])
            except Fault as exc:
                shutil.rmtree(build, ignore_errors=True)
                stays = "; the one before stays in use" if old else ""
                raise Fault(f"A new build of {path} cannot be used{stays}: {exc}") from None
        set_permissions(build, wanted)
        # what is named complete is on disk
        os.sync()
        with open(os.path.join(build, COMPLETE), "w", encoding="ascii"):
            pass
        link = f"{build}.link"
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(os.path.basename(build), link)
        os.replace(link, path)
        register_kernel(path, build, wanted, check)
        for other in builds(path):
            if other not in (build, old) and not is_in_use(other):
                shutil.rmtree(other)
    before, after = packages(old), packages(build)
    return {
        "changed": True,
        "what": "build",
        "installed": sorted(after - before),
        "removed": sorted(before - after) if after else [],
    }


def absent(path, wanted, check):
    """Remove the link and all builds; what is there but was not made here stays."""
    if not check and os.path.isdir(os.path.dirname(path)):
        locked(os.path.dirname(path))
    leftovers = builds(path)
    linked = current_build(path)
    kernels = kernels_of(path, wanted["owner"])
    if not check:
        if kernels:
            forget_kernels(kernels, wanted["owner"])
        if linked:
            os.unlink(path)
        for build in leftovers:
            shutil.rmtree(build)
    return {"changed": bool(leftovers or linked or kernels), "what": "removal"}


def settle(wanted, check):
    """Bring one environment to the wanted state with the rights of this process."""
    path = os.path.normpath(os.path.expanduser(wanted["path"]))
    if os.geteuid() == 0:
        refuse_what_others_can_write(path)
    return absent(path, wanted, check) if wanted["state"] == "absent" else present(path, wanted, check)


def settle_as_owner(wanted, check):
    """`settle` in a process that has become the owner; the answer, in which `fault` says what went wrong."""
    try:
        owner = pwd.getpwnam(wanted["owner"])
    except KeyError:
        if check or wanted["state"] == "absent":
            return {"changed": wanted["state"] == "present", "what": "build"}
        return {
            "changed": False,
            "fault": f"There is no account {wanted['owner']} to own {wanted['path']}; create it first.",
        }
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer = {"changed": False}
        try:
            os.environ.update(HOME=owner.pw_dir, USER=owner.pw_name, LOGNAME=owner.pw_name)
            os.umask(0o022)
            if owner.pw_uid != 0:
                os.initgroups(owner.pw_name, owner.pw_gid)
                os.setgid(owner.pw_gid)
                os.setuid(owner.pw_uid)
            os.chdir("/")
            answer = settle(wanted, check)
        except Fault as exc:
            answer["fault"] = str(exc)
        except OSError as exc:
            answer["fault"] = f"{exc.filename}: {exc.strerror}"
        except BaseException:
            answer["fault"] = traceback.format_exc(limit=2)
        finally:
            with os.fdopen(writer, "w") as stream:
                json.dump(answer, stream)
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        words = stream.read()
    os.waitpid(child, 0)
    return (
        json.loads(words) if words else {"changed": False, "fault": "The process that builds it ended without a word."}
    )


def main():
    order = json.loads(sys.stdin.read().partition("\n")[2])
    answers = [
        {**settle_as_owner(one, order["check"]), "path": one["path"], "owner": one["owner"]}
        for one in order["environments"]
    ]
    json.dump({"environments": answers}, sys.stdout)


main()
