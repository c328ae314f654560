# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: virtualenvs
short_description: Bring the virtualenvs of a host to the wanted state
version_added: 0.2.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Builds and removes virtualenvs, all of a host in one task. An environment is a symbolic link to a build beside it,
    whose name holds a digest of what was asked for (C(/opt/wheelhouse/jupyter -> .jupyter.3f2a9c04b7de8a11)).
  - A build is made beside the one in use, and the link moves when it is complete. So programs that run on the old build
    keep it, an interrupted build is never in use, and to see that nothing changed takes one look at the link.
  - The build before the current one stays, and so does any older one that a process still runs on.
  - What belongs to a person is done by a process that has become that person, and may take half an hour.
    What goes wrong there is said in RV(people_skipped) and in a warning, and keeps nobody else from theirs.
  - The role virtualenv is the way to use it, and says what the options mean.
options:
  environments:
    description: The environments.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is, absolute or below the owner's home as C(~/...).
        type: str
        required: true
      owner:
        description: The account that makes and owns it.
        type: str
        default: root
      group:
        description: Group of its directory; the owner's where it is empty.
        type: str
        default: ''
      mode:
        description: Permissions of its directory, as an octal number in quotes.
        type: str
        default: '0755'
      python:
        description: The interpreter it is made from.
        type: str
        default: python3
      requirements:
        description: The text of a requirements file. Where URLs in it hold passwords, the task needs C(no_log).
        type: str
        default: ''
      kernel:
        description: The name under which notebooks can choose it as a kernel, or nothing.
        type: str
        default: ''
      check:
        description: A Python program that a new build has to run through before it comes into use, or nothing.
        type: str
        default: ''
      state:
        description: V(absent) removes it with its builds and its kernel.
        type: str
        choices: [present, absent]
        default: present
attributes:
  check_mode:
    description: Reports what would change, also for accounts that do not exist yet.
    support: full
  diff_mode:
    description: RV(environments) says which packages come and go.
    support: none
"""

EXAMPLES = r"""
- name: An environment for everybody
  wheelhouse.onboarding.virtualenvs:
    environments:
      - path: /opt/wheelhouse/data
        requirements: pandas
  no_log: true
"""

RETURN = r"""
environments:
  description: What became of each environment; C(fault) says what went wrong with one of root's.
  type: list
  elements: dict
  returned: always
  sample: [{path: /opt/wheelhouse/data, owner: root, changed: true, what: build, installed: [pandas 2.2.3]}]
people_skipped:
  description: Whose environments could not be brought to the wanted state, and why.
  type: list
  elements: dict
  returned: always
  sample: [{name: ada, reason: "~/.venvs/data: the home /home/ada does not exist"}]
"""

import contextlib
import fcntl
import glob
import grp
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import traceback

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import (
    PersonError,
    account,
    as_person,
    look_into,
    printable,
    told,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.whole_files import decode, read

UV = "/usr/local/bin/uv"
CORPORATE_ENV = "/usr/local/bin/corporate-env"
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
COMPLETE = ".wheelhouse-complete"
CHECK_SECONDS = 300
PERSON_SECONDS = 1800  # for one environment of a person's, with all that is fetched for it
SEARCH = os.environ.get("PATH", os.defpath)  # root's
MOST = 2000  # packages of a person's that are named
BUILD_NAME = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}$")


class Fault(Exception):
    """What is wrong, in a sentence."""


def redacted(text):
    """`text` without the credentials of the URLs in it."""
    return re.sub(r"(://)[^/@\s]+@", r"\1***@", text)


def interpreter(python):
    """The file behind the command `python`: a release that brings another Python version asks for new builds."""
    found = shutil.which(python, path=SEARCH)
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
    done = subprocess.run(
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


def is_in_use(build):
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


def below_home(path):
    """A path with the home of this process's person in the place of `~/`."""
    return os.path.join(os.environ["HOME"], path[2:]) if path.startswith("~/") else path


def kernels_directory(owner):
    """Where Jupyter looks for kernels: everybody's, or those of one person."""
    if owner == "root":
        return "/usr/local/share/jupyter/kernels"
    return below_home("~/.local/share/jupyter/kernels")


def kernels_of(path, owner):
    """The directories of kernels that were registered here for the environment `path`: {directory: text}."""
    found = {}
    for spec in glob.glob(os.path.join(glob.escape(kernels_directory(owner)), "*", "kernel.json")):
        try:
            text = decode(read(spec) or b"")
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


@contextlib.contextmanager
def locked(directory):
    """Keep others out of `directory` meanwhile: a run that was killed may have left one at work."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def present(path, wanted, check):
    """Build what is missing and move the link; what changed, as an answer."""
    python = interpreter(wanted["python"])
    parent, name = os.path.split(path)
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
        with open(os.path.join(build, COMPLETE), "w", encoding="utf-8"):
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
    """Bring one environment to the wanted state with the rights of this process; the answer, with a `fault` if any."""
    os.umask(0o022)
    os.chdir("/")
    try:
        path = os.path.normpath(below_home(wanted["path"]))
        parent = os.path.dirname(path)
        if os.geteuid() == 0:
            refuse_what_others_can_write(path)
        else:
            look_into(os.environ["HOME"])
        if not check and wanted["state"] == "present":
            os.makedirs(parent, exist_ok=True)
        with locked(parent) if not check and os.path.isdir(parent) else contextlib.nullcontext():
            return absent(path, wanted, check) if wanted["state"] == "absent" else present(path, wanted, check)
    except Fault as exc:
        return {"changed": False, "fault": str(exc)}
    except OSError as exc:
        return {"changed": False, "fault": f"{exc.filename}: {exc.strerror}"}


def settle_for(wanted, check):
    """`settle` by a process of the owner's."""
    owner = account(wanted["owner"])
    if owner is None:
        if check or wanted["state"] == "absent":
            return {"changed": wanted["state"] == "present", "what": "build"}
        fault = f"There is no account {wanted['owner']} to own {wanted['path']}; create it first."
        return {"changed": False, "fault": fault}
    if owner.pw_uid != 0:
        try:
            return as_person(owner, lambda: settle(wanted, check), understand, PERSON_SECONDS, confined=False)
        except PersonError as exc:
            return {"changed": False, "fault": str(exc)}
    os.environ.update(HOME=owner.pw_dir, USER=owner.pw_name, LOGNAME=owner.pw_name)
    try:
        return settle(wanted, check)
    except Exception:
        return {"changed": False, "fault": traceback.format_exc(limit=2)}


def understand(answer):
    """What `settle` returned, as it comes from a process of somebody else's."""
    understood = {"changed": answer["changed"] is True}
    for name in ("what", "fault"):
        if name in answer:
            understood[name] = printable(answer[name], 3000)
    for name in ("installed", "removed"):
        if name in answer:
            understood[name] = [printable(package, 100) for package in answer[name][:MOST]]
    return understood


def main():
    module = AnsibleModule(
        argument_spec={
            "environments": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "str", "required": True},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": ""},
                    "mode": {"type": "str", "default": "0755"},
                    "python": {"type": "str", "default": "python3"},
                    "requirements": {"type": "str", "default": ""},
                    "kernel": {"type": "str", "default": ""},
                    "check": {"type": "str", "default": ""},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                },
            },
        },
        supports_check_mode=True,
    )
    answers, skipped = [], []
    for wanted in module.params["environments"]:
        answer = settle_for(wanted, module.check_mode)
        if "fault" in answer and account(wanted["owner"]) and account(wanted["owner"]).pw_uid != 0:
            reason = "{}: {}".format(wanted["path"], answer.pop("fault")).rstrip(".")
            skipped.append({"name": wanted["owner"], "reason": reason})
        answers.append({**answer, "path": wanted["path"], "owner": wanted["owner"]})
    for sentence in told(skipped):
        module.warn(sentence)
    changed = any(answer["changed"] for answer in answers)
    module.exit_json(changed=changed, environments=answers, people_skipped=skipped)


if __name__ == "__main__":
    main()
