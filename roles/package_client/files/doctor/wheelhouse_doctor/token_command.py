# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""`wheelhouse-token`: a person's tokens at the index, from the workstation.

The index password comes from keyring, if it is installed, from ~/.netrc, if that holds one, or from the terminal. It
goes to the index alone, and a token only to the terminal or into the environment of one command.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from wheelhouse_doctor import credentials
from wheelhouse_doctor.credentials import Account
from wheelhouse_doctor.settings import FILE, Missing, Settings, read

SECONDS = 30
DESCRIPTION = """Manage your tokens at the company's package index. A token installs or publishes in your place until it
ends, and you can revoke it."""
EPILOG = """Asks for your index password, unless keyring or ~/.netrc has it. Exit codes: 0 done, 1 refused or not
possible (the sentence says why), 2 wrong usage; with a command, the command's own."""
FOR_TOOLS = {
    "UV_PUBLISH_USERNAME": "__token__",
    "TWINE_USERNAME": "__token__",
    "FLIT_USERNAME": "__token__",
    "HATCH_INDEX_USER": "__token__",
    "PDM_PUBLISH_USERNAME": "__token__",
    "POETRY_HTTP_BASIC_COMPANY_USERNAME": "__token__",
}
"""What publishing tools read; each has a password beside it."""
PASSWORDS = (
    "UV_PUBLISH_PASSWORD",
    "TWINE_PASSWORD",
    "FLIT_PASSWORD",
    "HATCH_INDEX_AUTH",
    "PDM_PUBLISH_PASSWORD",
    "POETRY_HTTP_BASIC_COMPANY_PASSWORD",
)


class Refused(Exception):
    """What was asked for is not possible; the text is a sentence."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    place = given.index("--") if "--" in given else len(given)
    parser = _parser()
    options = parser.parse_args(given[:place])
    options.command = given[place + 1 :]
    if place < len(given) and not (options.verb == "publish" and options.command):
        parser.error("behind `--` comes a command, and only for publish")
    try:
        code: int = options.run(options)
        return code
    except (Refused, Missing) as problem:
        print(f"wheelhouse-token: {problem}", file=sys.stderr)
    except (KeyboardInterrupt, EOFError):
        print("\nwheelhouse-token: stopped.", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wheelhouse-token", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--settings", default=FILE, help=argparse.SUPPRESS)
    parser.add_argument(
        "--user", metavar="NAME", help="your account at the index (default: that of ~/.netrc, or yours)"
    )
    parser.add_argument("--ask", action="store_true", help="ask for the password on the terminal in any case")
    verbs = parser.add_subparsers(title="commands", dest="verb", required=True, metavar="COMMAND")

    listing = verbs.add_parser("list", help="list your tokens", description="List your tokens in force.")
    listing.add_argument("--all", action="store_true", help="also those that have ended or were revoked")
    listing.set_defaults(run=_list)

    create = verbs.add_parser(
        "create", help="create a token and print it", description="Create a token and print it. It is not shown again."
    )
    create.add_argument("name", metavar="NAME", help="what it is for, such as 'laptop'")
    create.add_argument(
        "--publish",
        action="append",
        default=[],
        metavar="PATTERN",
        help="projects it may publish, such as acme-hello or acme-*; may be repeated",
    )
    create.add_argument("--no-install", action="store_true", help="it may not install")
    _add_end(create, "30d")
    create.set_defaults(run=_create)

    publish = verbs.add_parser(
        "publish",
        help="a token of a few minutes for publishing",
        usage="wheelhouse-token publish [-h] [--for DURATION | --until DAY] PROJECT... [-- COMMAND...]",
        description="Create a token that may publish these projects and nothing else, for a few minutes. Print it, or"
        " run a command with it and revoke it afterwards: wheelhouse-token publish acme-hello -- uv publish",
    )
    publish.add_argument("projects", nargs="+", metavar="PROJECT", help="a name, or a pattern such as acme-*")
    _add_end(publish, "10m")
    publish.set_defaults(run=_publish)

    revoke = verbs.add_parser("revoke", help="revoke tokens", description="Revoke tokens; they end within a second.")
    revoke.add_argument("tokens", nargs="+", metavar="TOKEN", help="its id or its name, as `list` shows them")
    revoke.set_defaults(run=_revoke)
    return parser


def _add_end(parser: argparse.ArgumentParser, default: str) -> None:
    end = parser.add_mutually_exclusive_group()
    end.add_argument(
        "--for",
        dest="duration",
        default=default,
        metavar="DURATION",
        help="how long it lasts, such as 10m, 8h, 30d or 2w (default: %(default)s)",
    )
    end.add_argument("--until", metavar="DAY", help="the last day on which it works, such as 2026-12-31")


def _list(options: argparse.Namespace) -> int:
    told = Index(options).ask("GET", "/api/tokens")
    for one in told["tokens"]:
        if options.all or one["state"] == "in force":
            print(_line(one))
    return 0


def _create(options: argparse.Namespace) -> int:
    wanted = {"name": options.name, "reads": not options.no_install, "publishes": options.publish}
    print(Index(options).create(options, wanted)["token"])
    return 0


def _publish(options: argparse.Namespace) -> int:
    if options.command and not shutil.which(options.command[0]):
        raise Refused(f"There is no command {options.command[0]}.")
    index = Index(options)
    name = f"publish {' '.join(options.projects)}"[:70] + time.strftime(" %Y-%m-%dT%H:%M:%S")
    made = index.create(options, {"name": name, "reads": False, "publishes": options.projects})
    if not options.command:
        print(made["token"])
        return 0
    environment = {**os.environ, **FOR_TOOLS, **dict.fromkeys(PASSWORDS, made["token"])}
    environment.pop("UV_PUBLISH_TOKEN", None)  # would be used besides a name and a password, which uv refuses
    try:
        return subprocess.run(options.command, env=environment, check=False).returncode
    except OSError as error:
        raise Refused(f"{options.command[0]} cannot be run: {error.strerror}.") from None
    finally:
        index.end(made["token"])


def _revoke(options: argparse.Namespace) -> int:
    index = Index(options)
    known = [one for one in index.ask("GET", "/api/tokens")["tokens"] if one["state"] == "in force"]
    found = {}
    for wanted in options.tokens:
        if credentials.TOKEN.fullmatch(wanted):
            raise Refused("Name a token by its id, not by its text, which others may see on a command line.")
        fits = [one for one in known if wanted in (one["id"], one["name"])]
        if not fits:
            raise Refused(f"You have no token {wanted!r} in force.")
        found.update({one["id"]: one for one in fits})
    for one in found.values():
        index.ask("POST", f"/api/tokens/{one['id']}/revoke", {})
        print(f"revoked {one['id']}  {one['name']}")
    return 0


def _line(one: Mapping[str, Any]) -> str:
    rights = ["installs"] if one["reads"] else []
    if one["publishes"]:
        rights.append(f"publishes {' '.join(one['publishes'])}")
    if one["manages"]:
        rights.append("manages tokens")
    until = f"until {one['until'][:16].replace('T', ' ')}Z" if one["until"] else "without an end"
    used = f"last used {one['last_used']}" if one["last_used"] else "never used"
    state = "" if one["state"] == "in force" else f"  {one['state']}"
    return _printable(f"{one['id']}  {one['name']}: {', '.join(rights)}, {until}, {used}{state}")


class Index:
    """The index, with a login for it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._settings = read(options.settings)
        if not self._settings.index_url.startswith("https://"):
            raise Refused(f"{self._settings.index_url} is not encrypted: no password is sent there.")
        self._account = _login(self._settings, options.user, ask=options.ask)
        try:
            context = ssl.create_default_context(cafile=self._settings.ca_store)
        except OSError:
            raise Refused(f"{self._settings.ca_store}, the certificates to trust, cannot be read.") from None
        # The index is reached directly, and whoever it sends elsewhere would take the password along.
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), _NoRedirect()
        self._opener = urllib.request.build_opener(*handlers)

    def create(self, options: argparse.Namespace, wanted: dict[str, Any]) -> Mapping[str, Any]:
        end = {"until": options.until} if options.until else {"for": options.duration}
        return self.ask("POST", "/api/tokens", {**wanted, **end})

    def end(self, token: str) -> None:
        """Revoke a token with itself. It ends anyway, so what goes wrong is no more than a remark."""
        try:
            self.ask("POST", "/api/tokens/current/revoke", {}, Account("__token__", token))
        except Refused as problem:
            print(f"wheelhouse-token: the token could not be revoked, and ends by itself: {problem}", file=sys.stderr)

    def ask(
        self, method: str, path: str, given: Mapping[str, Any] | None = None, account: Account | None = None
    ) -> Mapping[str, Any]:
        """The index's answer; raises `Refused` with its sentence."""
        account = account or self._account
        login = base64.b64encode(f"{account.name}:{account.password}".encode()).decode()
        request = urllib.request.Request(
            self._settings.index_url + path,
            json.dumps(given).encode() if given is not None else None,
            {"Authorization": f"Basic {login}", "Content-Type": "application/json", "User-Agent": "wheelhouse-token"},
            method=method,
        )
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                is_sentence = error.headers.get_content_type() == "text/plain"
                sentence = error.read(1000).decode(errors="replace").strip() if is_sentence else ""
            if error.code == 404 and not sentence.startswith("There is no token"):
                sentence = f"The index at {self._settings.index_url} has no tokens: ask IT to run site.yml."
            raise Refused(_printable(sentence) or f"The index answers {error.code}.") from None
        except urllib.error.URLError as error:
            raise Refused(f"The index {self._settings.index_host} cannot be reached: {error.reason}.") from None
        except (OSError, ValueError) as error:
            raise Refused(f"The answer of {self._settings.index_host} cannot be read: {error}.") from None
        if not isinstance(told, dict):
            raise Refused(f"The answer of {self._settings.index_host} is not what it should be.")
        return told


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _login(settings: Settings, user: str | None, *, ask: bool) -> Account:
    stored = credentials.account(settings, os.environ)
    name = user or (stored.name if stored and stored.name != "__token__" else "") or getpass.getuser()
    if not ask:
        password = _of_keyring(settings.index_url, name)
        if password:
            return Account(name, password)
        if stored and stored.name == name and not stored.is_token:
            return stored
    if not _has_terminal():
        raise Refused("Your index password is needed, and there is no terminal to ask for it.")
    password = getpass.getpass(f"Password of {name} at {settings.index_host}: ")
    if not password:
        raise Refused("Without a password there is nothing to do.")
    return Account(name, password)


def _of_keyring(url: str, name: str) -> str:
    """What the program `keyring` has, "" for nothing."""
    program = shutil.which("keyring")
    if not program:
        return ""
    try:
        done = subprocess.run(
            [program, "get", url, name], stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").rstrip("\r\n") if done.returncode == 0 else ""


def _has_terminal() -> bool:
    """Whether getpass has one to ask on."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return sys.stdin is not None and sys.stdin.isatty()
    return True


def _printable(text: str) -> str:
    """Somebody else's words, with nothing in them that moves a cursor."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
