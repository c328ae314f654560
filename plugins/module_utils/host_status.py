# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What a host says of itself for status.yml: read, never changed."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.job_record import RUNS

REQUESTS = "/var/lib/wheelhouse/monitoring/requests.json"
CERTIFICATES = ("/etc/nginx/wheelhouse/index.pem", "/usr/local/share/ca-certificates/*.crt")
UNITS = ("wheelhouse-*", "jupyterlab*", "nginx.service", "docker.service")
CONTAINER = "wheelhouse-index"
_MOST_BYTES, _MOST_FILES = 4 * 1024 * 1024, 50
_LABEL = '{{ index .Config.Labels "org.wheelhouse.content" }}'


class HostStatus(TypedDict):
    """All of it. What a host does not have is empty."""

    runs: dict[str, dict[str, object]]
    failed_units: list[str]
    certificates: dict[str, str]
    image: str
    last_uploads: dict[str, str]
    last_logins: dict[str, str]
    heartbeats: dict[str, dict[str, object]]


def host_status(
    runs: str = RUNS, requests: str = REQUESTS, certificates: Sequence[str] = CERTIFICATES, container: str = CONTAINER
) -> HostStatus:
    """What is known on this host. What cannot be found out is left out."""
    index = _json(_output("docker", "exec", container, "wheelhouse", "status"))
    label = _output("docker", "inspect", "--type=container", f"--format={_LABEL}", container).strip()
    return HostStatus(
        runs=_runs(runs),
        failed_units=_failed_units(),
        certificates=_certificates(certificates),
        image=label if re.fullmatch(r"[0-9a-f]{64}", label) else "",
        last_uploads=_texts(index.get("last_uploads")),
        last_logins=_texts(_json(_read(requests)).get("people")),
        heartbeats=_mappings(index.get("heartbeats")),
    )


def _runs(directory: str) -> dict[str, dict[str, object]]:
    found = {}
    for path in sorted(Path(directory).glob("*.json"))[:_MOST_FILES]:
        run = _json(_read(str(path)))
        if isinstance(run.get("outcome"), str) and isinstance(run.get("ended"), str):
            found[path.stem] = run
    return found


def _failed_units() -> list[str]:
    try:
        units = json.loads(_output("systemctl", "list-units", "--all", "--failed", "--output=json", *UNITS) or "[]")
        return sorted(str(unit["unit"]) for unit in units)
    except (ValueError, KeyError, TypeError):
        return []


def _certificates(patterns: Sequence[str]) -> dict[str, str]:
    """{file: day on which its first certificate to end does}."""
    found = {}
    paths = [str(path) for pattern in patterns for path in sorted(Path("/").glob(pattern.lstrip("/")))]
    for path in paths[:_MOST_FILES]:
        pems = re.findall("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", _read(path), re.DOTALL)
        days = [day for day in (_end(pem) for pem in pems[:20]) if day]
        if days:
            found[path] = min(days)
    return found


def _end(pem: str) -> str:
    text = _output("openssl", "x509", "-noout", "-enddate", stdin=pem).strip()
    try:
        return datetime.strptime(text.partition("=")[2], "%b %d %H:%M:%S %Y %Z").date().isoformat()
    except ValueError:
        return ""


def _output(*command: str, stdin: str = "") -> str:
    """What a command prints; nothing if it fails or there is none."""
    try:
        done = subprocess.run(  # there is no AnsibleModule here; pylint: disable=ansible-bad-function
            command, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _read(path: str) -> str:
    """The content of a regular file; nothing if it is none, or too big."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return ""
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        content = stream.read(_MOST_BYTES + 1)
    return content if len(content) <= _MOST_BYTES else ""


def _json(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _texts(found: object) -> dict[str, str]:
    """A dictionary of texts, whatever it was."""
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _mappings(found: object) -> dict[str, dict[str, object]]:
    """A dictionary of dictionaries, whatever it was."""
    mapping = found if isinstance(found, dict) else {}
    return {str(key): value for key, value in mapping.items() if isinstance(value, dict)}
