# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What single values of an inventory have to look like, beyond their type.

Each check takes a value and returns None, or half a sentence that says what to write instead.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Optional
from urllib.parse import urlsplit

from ansible_collections.wheelhouse.onboarding.plugins.module_utils import file_checks
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.credentials import split_server
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.hosts import is_ipv4, is_ipv6, is_name

try:
    from packaging.requirements import InvalidRequirement, Requirement

    HAS_REQUIREMENTS = True
except ImportError:  # a dependency of ansible-core; where it is missing, the role's own checks have to do
    HAS_REQUIREMENTS = False
try:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    HAS_LICENSES = True
except ImportError:  # packaging before 24.2
    HAS_LICENSES = False

# what a value has to be changed to, None where it is right; a value has the type of its option
Check = Callable[[Any], Optional[str]]

_PATH = re.compile(r"/[^\x00-\x1f\x7f\"'`$\\ %:;{}#,]*")
_CONTACT = re.compile(r"[\w .,:;@/+()-]*")
_CHANNEL = re.compile(r"[a-z][a-z0-9._-]*")
_PATTERN = re.compile(r"[A-Za-z0-9*?\[\]!._-]+")
_PUBLIC_KEY = re.compile(r"(ssh|sk|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]{40,}={0,2}( [^\x00-\x1f]*)?\n?")
_TIMESPAN = re.compile(
    r"(\s*[0-9]+(\.[0-9]+)?\s*(usec|us|msec|ms|seconds?|sec|s|minutes?|min|m|hours?|hr|h|days?|d|weeks?|w|months?|M|years?|y)?)+\s*"
)
_DAY = r"(mon|tue|wed|thu|fri|sat|sun)(day|sday|nesday|rsday|urday)?"
_NUMBERS = r"[0-9*][0-9*,/.~]*"
_CALENDAR = re.compile(
    rf"(minutely|hourly|daily|monthly|weekly|yearly|annually|quarterly|semiannually|semi-annually)"
    rf"|(({_DAY})([,-]|\.\.|\s)*)*(({_NUMBERS}-)?{_NUMBERS}-{_NUMBERS})?\s*({_NUMBERS}:{_NUMBERS}(:{_NUMBERS})?)?"
    r"(\s+(utc|[a-z]+/[a-z_/+-]+))?",
    re.IGNORECASE,
)
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._:/-]*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?")
_CONDA_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*", re.IGNORECASE)
_CONDA_PART = r"(===?|=|!=|~=|>=?|<=?)?[0-9A-Za-z*][0-9A-Za-z.*_+!-]*"
_CONDA_VERSION = re.compile(rf"{_CONDA_PART}([,|]{_CONDA_PART})*")
PLATFORMS = ("linux-x86_64", "linux-aarch64", "windows-x86_64", "macos-arm64", "macos-x86_64")


def _matches(pattern: str, advice: str, flags: int = 0) -> Check:
    """A check that a text as a whole has this form."""
    compiled = re.compile(pattern, flags)
    return lambda value: None if compiled.fullmatch(str(value)) else advice


def _between(lowest: int, highest: int | None, advice: str) -> Check:
    """A check of a whole number."""

    def check(value: str | int) -> str | None:
        try:
            number = int(value)
        except ValueError:
            return advice
        return None if number >= lowest and (highest is None or number <= highest) else advice

    return check


def _contact(value: str) -> str | None:
    return None if _CONTACT.fullmatch(value) else "write letters, digits and simple signs, for example it@acme.example"


def _file_or_url(value: str) -> str | None:
    return _url(value) if "://" in value else file_checks.file(value)


def _url(value: str) -> str | None:
    """An address without an account; empty is none."""
    if not value:
        return None
    try:
        parts = urlsplit(value)
        host = parts.hostname
        _port = parts.port
    except ValueError:
        return "write an address such as https://packages.acme.example/"
    if re.search(r"[\s\x00-\x1f]", value) or parts.scheme not in ("http", "https") or not host:
        return "write an address that begins with https://"
    if "@" in parts.netloc:
        return "write the address without an account"
    if parts.query or parts.fragment:
        return "write the address without '?' and '#' and what follows them"
    return None


def _server(value: str) -> str | None:
    """host:port of a proxy; empty is none."""
    try:
        if value:
            split_server(value)
    except ValueError:
        return "write host:port, like proxy.acme.example:8080"
    return None


def _requirement(value: str) -> str | None:
    if not HAS_REQUIREMENTS:
        return None
    try:
        parsed = Requirement(value.strip())
    except InvalidRequirement:
        name = re.match(r"\s*([A-Za-z0-9._-]+)\s*=\s*([0-9][^=\s]*)\s*$", value)
        example = f"{name[1]}=={name[2]}" if name else "networkx==1.10"
        return f"which is no requirement of Python's: write one such as {example}"
    return "write it without an address: only the index upstream is asked" if parsed.url else None


def _package(value: str) -> str | None:
    """What an intake brings in from PyPI: a requirement, or `file:` with a path."""
    if not value.strip().startswith("file:"):
        return _requirement(value)
    name = value.strip()[len("file:") :]
    if not name or Path(name).is_absolute() or ".." in name.split("/"):
        return "name a file below package_intake_files, like file:requirements/teaching.txt"
    return None


def _conda(value: str) -> str | None:
    """A spec as conda reads it: name, version and build, or name[key=value]."""
    example = "write one such as orange3 3.29.3"
    if "::" in value or "://" in value:
        return f"which has a channel or an address of its own: {example}, and the channel beside it"
    text = re.sub(r"\[[^\[\]]*\]$", "", value.strip())
    name = re.match(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", text)
    if not name or not _CONDA_NAME.fullmatch(name[0]):
        return f"which names no package: {example}"
    rest = re.sub(r"\s*([,|])\s*", r"\1", text[name.end() :])
    rest = re.sub(r"([=!<>~])\s+", r"\1", rest).strip()
    version, *build = re.split(r"\s+|(?<=[^=!<>~])=(?=[^=])", rest) if rest else [""]
    if version and not _CONDA_VERSION.fullmatch(version):
        return f"which is no package of a channel: {example}"
    return None if len(build) <= 1 else f"which has more parts than a name, a version and a build: {example}"


def _date(value: str) -> str | None:
    advice = 'write a day such as "2026-12-31", in quotes'
    try:
        # weeks, like 2026-W01-1, are days to newer versions of Python only
        return None if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) and date.fromisoformat(value) else advice
    except ValueError:
        return advice


def _licence(value: str) -> str | None:
    if not HAS_LICENSES:
        return None
    try:
        canonicalize_license_expression(value)
    except InvalidLicenseExpression:
        return "which is no SPDX identifier: write one such as MIT"
    return None


def _advisories(value: str) -> str | None:
    return None if value.startswith("/") else _url(value)


def _path(value: str) -> str | None:
    if not _PATH.fullmatch(value) or ".." in value.split("/"):
        return "write an absolute path without spaces, quotes and any of % : ; { } # , one that begins with /"
    return None if value.strip("/") else "which is the whole disk: name a directory"


def _homes(value: str) -> str | None:
    """Accounts have /home/ada, and /home//ada would be another home."""
    return "write it without the / at its end" if value.rstrip("/") != value and value.strip("/") else _path(value)


def _backup_repository(value: str) -> str | None:
    """Where restic keeps backups; empty is none."""
    if not value:
        return None
    if value.startswith("/"):
        return (
            _path(value)
            if value.strip("/")
            else "which is the whole disk: name a directory, such as /srv/backups/wheelhouse"
        )
    kind, _colon, rest = value.partition(":")
    sftp = r"(//)?([^@/:\s]+@)?(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(:[0-9]+)?[:/]\S+"
    forms = {"sftp": sftp, "rest": r"https?://[^/\s]+\S*", "s3": r"(https?://)?[^/\s]+/\S+"}
    if kind in forms and re.fullmatch(forms[kind], rest):
        return None
    return (
        "write a directory on the host such as /srv/backups/wheelhouse, or sftp:user@host:/directory, "
        "rest:https://host/name or s3:https://host/bucket"
    )


def _certificate_name(value: str) -> str | None:
    kind, _colon, name = value.partition(":")
    if kind == "DNS" and re.fullmatch(r"(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", name):
        return None
    if kind == "IP" and (is_ipv4(name) or is_ipv6(name)):
        return None
    return "write it in OpenSSL's notation, like DNS:pypi.acme.example or IP:192.0.2.10"


def is_whole_key(line: str) -> bool:
    """Whether a line of an OpenSSH public key is as long as it says, and of the type that it says (RFC 4253, 6.6)."""
    kind, text = line.split()[:2]
    try:
        blob = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    parts = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            return False
        parts.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return len(parts) >= 2 and parts[0] == kind.encode() and (kind != "ssh-ed25519" or len(parts[1]) == 32)


def _ip_address(value: str) -> str | None:
    return None if is_ipv4(value) or is_ipv6(value) else "write an address such as 192.0.2.10"


def _network(value: str) -> str | None:
    address, slash, prefix = value.partition("/")
    most = 32 if is_ipv4(address) else 128 if is_ipv6(address) else -1
    if most >= 0 and (not slash or (prefix.isdecimal() and int(prefix) <= most)):
        return None
    return "write addresses or networks such as 192.0.2.10 or 192.0.2.0/24"


def _host_names(value: str) -> str | None:
    """One host, or several with commas between them."""
    if all(is_name(host) or is_ipv4(host) or is_ipv6(host) for host in value.split(",")):
        return None
    return "write the name of a server such as db.acme.example, or several with commas between them"


def _calendar(value: str) -> str | None:
    if value.strip() and _CALENDAR.fullmatch(value.strip()):
        return None
    return "which systemd does not understand: write for example Sun 03:00"


_ADDRESS = "without a path and an account, for example https://packages.acme.example"

CHECKS: dict[str, Check] = {
    "address": _matches(r"(https?://[^/@?#\s]+)?", f"write the address of the index {_ADDRESS}"),
    "https_address": _matches(r"(https://[^/@?#\s]+)?", f"write the address of the index, https, {_ADDRESS}"),
    "advisories": _advisories,
    "backup_repository": _backup_repository,
    "bucket": _matches(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "write 3 to 63 of a-z, 0-9, - and ., such as wheelhouse"),
    "calendar": _calendar,
    "certificate_days": _between(
        31, 36500, "write more than 30: a certificate is renewed that many days before its end"
    ),
    "issuer_days": _between(91, 36500, "write more than 90: the CA is renewed that many days before its end"),
    "certificate_name": _certificate_name,
    "channel": _matches(_CHANNEL.pattern, "write names of a-z, 0-9, - _ and . that begin with a letter"),
    "claim": _matches(r"[^\x00-\x1f\x7f]+", "write the text that the claim has to be"),
    "command": _matches(r"[^\x00\r\n]*", "write it on one line"),
    "conda": _conda,
    "contact": _contact,
    "date": _date,
    "directory": file_checks.directory,
    "file": file_checks.file,
    "file_or_url": _file_or_url,
    "homes": _homes,
    "host_name": lambda value: None if is_name(value) else "write names of hosts, such as index-1.acme.example",
    "host_names": _host_names,
    "image": _matches(
        _IMAGE.pattern, "write the name and tag of an image, like registry.acme.example/wheelhouse-index:0.1.0"
    ),
    "ip_address": _ip_address,
    "issuer": _matches(
        r"https://[^/@?#\s]+(/[^@?#\s]*)?",
        "write the https address that the issuer has in its identities, like https://gitlab.acme.example",
    ),
    "key_file": file_checks.key_file,
    "licence": _licence,
    "login_name": _matches(r"[a-z_][a-z0-9_.-]{0,31}", "write a login name of lower-case letters, digits, . _ and -"),
    "memory": _matches(r"[1-9][0-9]*[mgMG]", "write a size in Docker's notation, like 2g"),
    "memory_max": _matches(
        r"[0-9]+(\.[0-9]+)?[KMGT%]?|infinity", "write a size or a share in systemd's notation, like 4G or 50%"
    ),
    "minutes": _between(0, None, "write a number of minutes; 0 is never"),
    "mode": _matches(r"0?[0-7]{3,4}", 'write four octal digits in quotes, like "0755"'),
    "network": _network,
    "nginx_time": _matches(r"([0-9]+(ms|[smhdwMy])? ?)+", "write a time in nginx's notation, like 30s"),
    "not_negative": _between(0, None, "write a whole number, 0 or more"),
    "object_prefix": _matches(
        r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*",
        "write names with slashes between them, like python/index",
    ),
    "package": _package,
    "password_length": _between(8, 72, "write a number from 8 to 72"),
    "path": _path,
    "pem_file": file_checks.pem_file,
    "percent": _matches(r"[1-9][0-9]*%", "write per cent of one CPU, like 200%"),
    "platform": _matches("|".join(PLATFORMS), f"write one of {', '.join(PLATFORMS)}"),
    "port": _between(1, 65535, "write a port, a number from 1 to 65535"),
    "positive": _between(1, None, "write a whole number, 1 or more"),
    "project_pattern": _matches(_PATTERN.pattern, "write a pattern of project names, like acme-*"),
    "public_key": _matches(_PUBLIC_KEY.pattern, "write one line such as 'ssh-ed25519 AAAA... comment'"),
    "python": _matches(r"3\.([89]|[1-9][0-9])", 'write a version of Python such as "3.12", in quotes'),
    "requirement": _requirement,
    "router_id": _between(1, 255, "write a number from 1 to 255"),
    "server": _server,
    "size": _matches(r"[0-9]+[kmgKMG]?", "write a size in bytes, or with k, m or g behind the number, like 1g"),
    "sha256": _matches(r"([0-9A-Fa-f]{64})?", "write the 64 hexadecimal digits of a SHA-256"),
    "sql_name": _matches(r"[a-z_][a-z0-9_-]{0,62}", "write a name of a-z, 0-9, _ and -, such as wheelhouse"),
    "timespan": _matches(_TIMESPAN.pattern, "which systemd does not understand: write for example 2h"),
    "url": _url,
    "venv_path": _matches(r"~?/[^/\x00-\x1f][^\x00-\x1f]*", "write an absolute path, or one that begins with ~/"),
}
