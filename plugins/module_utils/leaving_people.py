# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""People who leave a host, or are let back to it, for the module offboard, which runs as root."""

from __future__ import annotations

import contextlib
import ctypes
import grp
import os
import pwd
import shutil
import subprocess
import time

from ansible_collections.wheelhouse.onboarding.plugins.module_utils import account_record
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import leaving_files as files
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import leaving_processes as processes

HERE = "wheelhouse-people"
FORMER = "wheelhouse-former"
KEYS = "/etc/ssh/authorized_keys.d"
KEYS_OF_OURS = "# Managed by Ansible (wheelhouse.onboarding.jupyter_host); keys"
LOCKED = "!"
EXPIRED = "1"  # a day in 1970; 0 means other things to other programs
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8


class Fault(Exception):
    """Why somebody is not offboarded, in a sentence."""


def call(argv: list[str], seconds: float = 30) -> tuple[int, str, str]:
    """What a program returns, prints and complains of; one that hangs or cannot be started counts as failed."""
    try:
        done = subprocess.run(  # there is no AnsibleModule here; pylint: disable=ansible-bad-function
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, "", "it took too long"
    except OSError as exc:  # not there, or no process left to start it in
        return 127, "", reason(exc)
    return done.returncode, done.stdout, done.stderr.strip()


def reason(exc: OSError | files.TooLong) -> str:
    """Why something was not done, in words."""
    return getattr(exc, "strerror", None) or "it takes too long"


def members(group: str) -> list[str]:
    """Whom the host lists for a group."""
    try:
        return grp.getgrnam(group).gr_mem
    except KeyError:
        return []


def people() -> list[str]:
    """Who has an account here from the list of people: one that was made for them, or one of the directory."""
    made = members(HERE)
    return [*made, *(name for name in account_record.read() if name not in made)]


class Person:
    """Somebody with an account here, and what is to become of it."""

    LAST_DAY = "the last day is over, and the account is locked."

    def __init__(self, account: pwd.struct_passwd, seconds: int) -> None:
        self.name, self.uid, self.gid, self.home = account.pw_name, account.pw_uid, account.pw_gid, account.pw_dir
        self.shell = account.pw_shell
        self.seconds = seconds
        self.uids = processes.Uids(self.name, self.uid)
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(f"{self.name}: {sentence}")

    def has_left(self) -> bool:
        return self.name in members(FORMER) and self.name not in members(HERE)

    def may_return(self) -> bool:
        return self.has_left() or (self.name in members(HERE) and self.is_locked())

    def twins(self) -> list[str]:
        """Others with the same uid, whose processes and files cannot be told from this person's."""
        entries = pwd.getpwall()
        with contextlib.suppress(KeyError):
            entries.append(pwd.getpwuid(self.uid))  # sssd does not list those that it knows
        return sorted({one.pw_name for one in entries if one.pw_uid == self.uid and one.pw_name != self.name})

    # -- the account

    def shadow(self) -> tuple[str, str, str]:
        """The password field, the day of the last change, and the day of expiry."""
        with open("/etc/shadow", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                fields = line.rstrip("\n").split(":")
                if fields[0] == self.name:
                    return fields[1], fields[2], fields[7]
        raise Fault(
            f"The account {self.name} has no line in /etc/shadow, and only accounts of this host can be locked; "
            "lock it where it is kept."
        )

    def runs(self) -> bool:
        """Whether there are processes of the person."""
        return bool(processes.running(self.uids))

    def is_locked(self) -> bool:
        password, _changed, expires = self.shadow()
        return password == LOCKED and expires == EXPIRED and os.path.basename(self.shell) in ("nologin", "false")

    def modify(self, *arguments: str) -> None:
        """usermod. The person may hold its lock (a stopped `chsh`), or all processes that the host can have."""
        bystander = processes.free_number(self.uids)
        for _attempt in range(4):
            code, _said, complaint = call(["usermod", *arguments, self.name])
            if code == 0:
                return
            if code == 1 or code >= 124:
                processes.strike(self.uid, bystander)
        raise Fault(f"The account {self.name} cannot be changed: {complaint}")

    def lock(self) -> None:
        """Nobody logs in with it, by a password, a key or cron: it is expired, which each of them asks for."""
        if self.is_locked():
            return
        nologin = next((path for path in ("/usr/sbin/nologin", "/sbin/nologin") if os.path.exists(path)), "/bin/false")
        kept = [group for group in (HERE, FORMER) if self.name in members(group)]
        dropped = sorted(
            entry.gr_name for entry in grp.getgrall() if self.name in entry.gr_mem and entry.gr_name not in kept
        )
        self.modify("--password", LOCKED, "--expiredate", EXPIRED, "--shell", nologin, "--groups", ",".join(kept))
        if dropped:
            self.say(f"no longer in the groups {', '.join(dropped)}.")

    def unlock(self, shell: str) -> None:
        if HERE not in [entry.gr_name for entry in grp.getgrall()]:
            call(["groupadd", HERE])
        self.modify("--password", "*", "--expiredate", "", "--shell", shell, "--groups", HERE)

    # -- what runs

    def services(self) -> list[str]:
        """Units that run as the person or listen for them, and what starts them."""
        properties = "--property=Id,User,SocketUser,TriggeredBy"
        _code, said, _complaint = call(["systemctl", "show", properties, "*.service", "*.socket"])
        found = []
        for block in said.split("\n\n"):
            unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            owner = unit.get("User") or unit.get("SocketUser")
            if owner in (self.name, str(self.uid)) and not unit["Id"].startswith("user@"):
                found += [*unit.get("TriggeredBy", "").split(), unit["Id"]]
        return found

    def end(self) -> None:
        """Nothing of theirs runs, and nothing starts anything for them."""
        first = processes.running(self.uids)
        processes.strike(self.uid, processes.free_number(self.uids))  # takes no process, should they have taken all
        call(["loginctl", "disable-linger", self.name])
        if os.path.lexists(f"/var/lib/systemd/linger/{self.name}"):
            os.unlink(f"/var/lib/systemd/linger/{self.name}")
        units = self.services() if os.path.isdir("/run/systemd/system") else []
        if units:
            # in this order, since a service that is killed before its stop is ordered starts again
            call(["systemctl", "stop", "--no-block", *units])
            call(["systemctl", "disable", *units])
        seen, alive = processes.end_all(self.uids, self.seconds)
        if os.path.isdir("/run/systemd/system"):
            # root's own processes in their sessions are theirs, too
            call(["systemctl", "kill", "--signal=KILL", f"user-{self.uid}.slice"])
            call(["loginctl", "terminate-user", self.name])
            stopped = [f"user@{self.uid}.service", f"user-{self.uid}.slice", f"user-runtime-dir@{self.uid}.service"]
            call(["systemctl", "stop", *stopped, *units])
            call(["systemctl", "reset-failed", f"user@{self.uid}.service", *units])
        if not alive:
            more, alive = processes.end_all(self.uids, self.seconds)
            seen += more
        seen += len(first)
        if alive:
            one = alive[0]
            parent = processes.look(one.parent)
            raise Fault(
                f"{self.name} still has processes on this host after {self.seconds} s, such as {one.name} ({one.pid}), "
                f"started by {parent.name if parent else 'what has ended'} ({one.parent}); "
                "end what starts them, and run this again."
            )
        if seen:
            self.say(f"{seen} {'process' if seen == 1 else 'processes'} ended.")
        if units:
            self.say(f"{', '.join(sorted(set(units)))} stopped.")

    # -- what lies about

    def unmount(self) -> None:
        """FUSE file systems of theirs: what served them has ended."""
        libc = ctypes.CDLL(None, use_errno=True)
        for point in files.mounts_of(self.uid):
            if libc.umount2(os.fsencode(point), MNT_DETACH | UMOUNT_NOFOLLOW):
                self.say(f"{files.shown(point)} is still mounted ({os.strerror(ctypes.get_errno())}).")

    def remove_traces(self) -> None:
        for kind, option, owners in (("shm", "-m", (7, 9)), ("msg", "-q", (7, 9)), ("sem", "-s", (4, 6))):
            if not os.path.exists(f"/proc/sysvipc/{kind}"):
                continue
            with open(f"/proc/sysvipc/{kind}", encoding="ascii") as stream:
                for line in stream.readlines()[1:]:
                    if any(int(line.split()[column]) in self.uids for column in owners):
                        call(["ipcrm", option, line.split()[1]])
        seconds = 10 * self.seconds
        try:
            cleared = files.apart(lambda: files.clear_places(self.uids, time.monotonic() + seconds), seconds + 5)
        except (files.TooLong, OSError) as exc:
            raise Fault(f"The files of {self.name} in places such as /tmp cannot be removed: {reason(exc)}.") from exc
        if removed := cleared["removed"]:
            self.say(f"{removed} {'file' if removed == 1 else 'files'} outside the home removed.")
        if cleared["left"]:
            self.say(f"left outside the home: {', '.join(cleared['left'])}.")

    # -- the home

    def leave_home(self, keep: bool) -> bool:
        """Close the home, or delete it. True where nothing is left to do on this host."""
        others = sorted(one.pw_name for one in pwd.getpwall() if one.pw_dir == self.home and one.pw_name != self.name)
        if others:
            self.say(f"the home {self.home} stays as it is, since it is that of {', '.join(others)}, too.")
            return True
        seconds = 10 * self.seconds
        try:
            return self._leave_home_as_root(keep, seconds)
        except FileNotFoundError:
            return True
        except PermissionError:
            return self._leave_home_as_person(keep, seconds)
        except files.TooLong:
            self.say(f"the home {self.home} does not answer in time; it is dealt with by the next run.")
        except OSError as exc:
            self.say(f"the home {self.home} stays as it is: {exc.strerror}.")
            return True
        return False

    def _leave_home_as_root(self, keep: bool, seconds: float) -> bool:
        became = files.apart(lambda: files.close_home(self.home, self.uid, self.gid), self.seconds)
        if became != "closed":
            self.say(f"the home {self.home} stays as it is, since it belongs to the uid {became}.")
        elif keep:
            self.say(f"the home {self.home} stays, for root alone.")
        else:
            emptied = files.apart(lambda: files.empty_home(self.home, time.monotonic() + seconds), seconds + 5)
            if left := emptied["left"]:
                self.say(f"left of the home, for root alone: {', '.join(left)}.")
                return "the rest, for which there was no time" not in left
            try:
                os.rmdir(self.home)
                self.say(f"the home {self.home} is deleted.")
            except OSError as exc:
                self.say(f"the home {self.home} is empty and stays: {exc.strerror}.")
        return True

    def _leave_home_as_person(self, keep: bool, seconds: float) -> bool:
        """On a file server that heeds no root: what the person themselves can do."""

        def work() -> files.Cleared:
            files.close_home(self.home, self.uid, self.gid, by_person=True)
            return {"removed": 0, "left": []} if keep else files.empty_home(self.home, time.monotonic() + seconds)

        try:
            left = files.apart(work, seconds + 5, self.uid, self.gid)["left"]
        except files.TooLong:
            self.say(f"the home {self.home} does not answer in time; it is dealt with by the next run.")
            return False
        except OSError as exc:
            left = [reason(exc)]
        what = f"make {self.home} root's there, with mode 0700" if keep else f"delete {self.home} there"
        self.say(
            f"the home {self.home} is on a file server that gives root of this host no rights; {what}."
            + (f" Left in it: {', '.join(left)}." if left else "")
        )
        return True

    def leave(self) -> None:
        """Mark the account as offboarded; it stays, so that its uid is not given to another person."""
        if FORMER not in [entry.gr_name for entry in grp.getgrall()]:
            call(["groupadd", FORMER])
        self.modify("--groups", FORMER)

    def return_home(self) -> None:
        """Give the home back, or make one."""
        try:
            # apart, since a file server that is away may keep who asks waiting for ever
            files.apart(lambda: files.open_again(self.home, self.uid, self.gid), self.seconds)
        except FileNotFoundError:
            self._make_home()
            self.say("is back, with the account of before and a new home.")
            return
        except (files.TooLong, OSError) as exc:
            if not self._has_home():
                raise Fault(
                    f"{self.name} is among the people again, but the home {self.home} cannot be given back "
                    f"({reason(exc)}); make it belong to the uid {self.uid}, and run this again."
                ) from exc
        self.say(
            f"is back, with the account and the home of before ({self.home}). "
            "If this is somebody else, give them another login name."
        )

    def _has_home(self) -> bool:
        """Whether the home is theirs, as they see it themselves."""
        try:
            return files.apart(lambda: os.stat(self.home).st_uid, self.seconds, self.uid, self.gid) == self.uid
        except (files.TooLong, OSError):
            return False

    def _make_home(self) -> None:
        """As useradd does. Nobody but root gets into it before it is complete."""
        os.mkdir(self.home, 0o700)
        if os.path.isdir("/etc/skel"):
            shutil.copytree("/etc/skel", self.home, symlinks=True, dirs_exist_ok=True)
            os.chmod(self.home, 0o700)
        for top, directories, names in os.walk(self.home):
            for name in directories + names:
                os.lchown(os.path.join(top, name), self.uid, self.gid)
        os.lchown(self.home, self.uid, self.gid)


class DirectoryPerson(Person):
    """Somebody whose account is the directory's: this host takes away what it gave, and leaves account and home."""

    LAST_DAY = "the last day is over, and what the account of the directory had here is taken away."

    def __init__(self, name: str, entry: account_record.Entry, seconds: int) -> None:
        fields = (name, "x", entry["uid"], entry["gid"], "", entry["home"], "/bin/sh")
        super().__init__(pwd.struct_passwd(fields), seconds)

    def _entry(self) -> account_record.Entry | None:
        return account_record.read().get(self.name)

    def _mark(self, locked: bool) -> None:
        entries = account_record.read()
        if self.name in entries:
            entries[self.name]["locked"] = locked
            account_record.write(entries)

    def has_left(self) -> bool:
        return self._entry() is None

    def may_return(self) -> bool:
        return self.is_locked()

    def is_locked(self) -> bool:
        entry = self._entry()
        return entry is not None and entry["locked"]

    def lock(self) -> None:
        """The keys that were given open nothing any more."""
        path = os.path.join(KEYS, self.name)
        try:
            # a directory of root's
            with open(path, encoding="utf-8", errors="replace") as stream:
                is_ours = stream.readline().startswith(KEYS_OF_OURS)
        except FileNotFoundError:
            is_ours = False
        if is_ours:
            os.unlink(path)
            self.say("the keys that were given for SSH are taken away.")
        self._mark(locked=True)

    def unlock(self, shell: str) -> None:
        self._mark(locked=False)

    def leave_home(self, keep: bool) -> bool:
        self.say(f"the home {self.home} stays as it is.")
        return True

    def leave(self) -> None:
        """Say where the account ends, unless it has ended there."""
        try:
            pwd.getpwnam(self.name)
        except KeyError:
            self.say("the account has ended in the directory.")
        else:
            self.say("the account is the directory's: disable it there, or its owner can still log in on this host.")
        entries = account_record.read()
        entries.pop(self.name, None)
        account_record.write(entries)

    def return_home(self) -> None:
        self.say("is back, with the account of the directory.")


def person_of(name: str, seconds: int) -> Person | None:
    """Somebody with an account from the list of people, or with one that was locked when they left; else None."""
    if name in {*members(HERE), *members(FORMER)}:
        try:
            return Person(pwd.getpwnam(name), seconds)
        except KeyError:
            return None
    entry = account_record.read().get(name)
    return DirectoryPerson(name, entry, seconds) if entry else None


def offboard(person: Person, state: str, home: str, check_mode: bool) -> bool:
    """Bring somebody to `locked` or `left`; whether anything was to be done."""
    if person.uid == 0:
        raise Fault(f"{person.name} is root under another name; take the account out of the group {HERE}.")
    if twins := person.twins():
        raise Fault(f"{person.name} has the same uid as {', '.join(twins)}; give one of them another.")
    if person.has_left():
        return False
    if processes.is_above_us(person.uids):
        raise Fault(f"This run came to the host as {person.name}, who is to leave; run it as somebody else.")
    if check_mode:
        return state == "left" or not person.is_locked() or person.runs()
    was_locked = person.is_locked()
    before = len(person.said)
    person.lock()
    person.end()
    person.unmount()
    person.remove_traces()
    if state == "locked":
        return not was_locked or len(person.said) > before
    if person.leave_home(home == "keep"):
        person.leave()
    return True


def bring_back(person: Person, shell: str, check_mode: bool) -> bool:
    """Undo `offboard`; whether anything was to be done."""
    if not person.may_return():
        return False
    if not check_mode:
        person.return_home()
        person.unlock(shell)
    return True
