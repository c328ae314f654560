# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Releases for enrolled hosts: what is in one, how it is encrypted and signed, and in which steps it is rolled out.

A release is JSON that says what there is, by SHA-256: the collections, and for each host what is encrypted to its key.
roles/fleet/files/wheelhouse-pull is the other end. The index hands both on, and can read and change neither.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

RELEASE = "wheelhouse-release"
"""Namespace and signer of a release's signature."""
HEARTBEAT = "wheelhouse-heartbeat"
"""Namespace of those of hosts' reports."""
FORMAT = 1
COLLECTIONS = (
    "wheelhouse.onboarding",
    "ansible.windows",
    "community.crypto",
    "community.docker",
    "community.general",
)
"""What a host needs to read site.yml: this collection, and those that galaxy.yml names."""
_PARTS = ("MANIFEST.json", "galaxy.yml", "meta", "playbooks", "plugins", "roles")
"""What a host needs of a collection; a checkout has much more."""
_PATIENCE = 60
_LATEST = 86400
"""Seconds that the number of a release may be ahead of the clock."""


class ReleaseError(Exception):
    """A release cannot be made; the text is a sentence."""


def key_id(public: str) -> str:
    """What a release calls the host that has this key, so that names of hosts are not for everyone to read."""
    return hashlib.sha256(" ".join(public.split()[:2]).encode()).hexdigest()[:32]


def names_of(keys: Mapping[str, str]) -> dict[str, str]:
    """{what a release calls a host: its name}; raises `ReleaseError`.

    keys    {name of a host: its public key}
    """
    found: dict[str, str] = {}
    for host, key in sorted(keys.items()):
        if not key:
            raise ReleaseError(f"{host} is in the group enrolled_hosts without a fleet_key: run enroll.yml for it.")
        other = found.setdefault(key_id(key), host)
        if other != host:
            raise ReleaseError(f"{other} and {host} have the same fleet_key: run enroll.yml for both.")
    return found


def in_share(identity: str, share: int) -> bool:
    """Whether a host is among a share (per cent) of all."""
    return int(identity[:8], 16) % 100 < share


def archive(collections: Mapping[str, Path]) -> bytes:
    """The collections as a tar.gz, the same bytes each time.

    collections     {name: where it is installed}
    """
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as writer,
    ):
        for name, root in sorted(collections.items()):
            for path in _files(root):
                content = path.read_bytes()
                place = "/".join(("ansible_collections", *name.split("."), *path.relative_to(root).parts))
                member = tarfile.TarInfo(place)
                member.size, member.mode = len(content), 0o755 if path.stat().st_mode & 0o100 else 0o644
                writer.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _files(root: Path) -> Iterator[Path]:
    for part in _PARTS:
        for path in sorted([root / part] if (root / part).is_file() else (root / part).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                yield path


def encrypted(content: Mapping[str, Any], public: str) -> bytes:
    """Something that none but the host with this key can read, packed; raises `ReleaseError`. No argument is secret."""
    recipient = " ".join(public.split()[:2])
    return _run(
        ["age", "--encrypt", "--armor", "--recipient", recipient],
        gzip.compress(json.dumps(content, sort_keys=True).encode(), mtime=0),
        "age is not installed on this machine: install it (Debian's package is called age).",
    )


def signed(release: Mapping[str, Any], key: str, signers: Iterable[str]) -> str:
    """The release as the index serves it, signed; raises `ReleaseError`.

    key         a private key's file, or the public one's of a key that ssh-agent has
    signers     the public keys by which hosts go
    """
    text = json.dumps(release, sort_keys=True)
    if not key:
        raise ReleaseError("fleet_signing_key is not set: write the file of the key that signs releases.")
    missing = "ssh-keygen is not installed on this machine: install the OpenSSH client."
    signature = _run(["ssh-keygen", "-Y", "sign", "-q", "-n", RELEASE, "-f", key], text.encode(), missing)
    envelope = json.dumps({"release": text, "signature": signature.decode()})
    if opened(envelope, signers) is None:
        raise ReleaseError(
            f"fleet_signing_key is {key}, which is none of fleet_signers: hosts would refuse what it signs."
        )
    return envelope


def opened(envelope: str, signers: Iterable[str]) -> dict[str, Any] | None:
    """The release in what the index serves; None if none of the signers signed it."""
    try:
        content = json.loads(envelope)
        text, signature = str(content["release"]), str(content["signature"])
    except (ValueError, KeyError, TypeError):
        return None
    with tempfile.TemporaryDirectory() as scratch:
        allowed, proof = Path(scratch, "signers"), Path(scratch, "signature")
        allowed.write_text("".join(f"{RELEASE} {signer}\n" for signer in signers), encoding="utf-8")
        proof.write_text(signature, encoding="utf-8")
        command = ["ssh-keygen", "-Y", "verify", "-q", "-n", RELEASE, "-I", RELEASE, "-f", str(allowed)]
        try:
            _run([*command, "-s", str(proof)], text.encode(), "")
        except ReleaseError:
            return None
    release = json.loads(text)
    return release if isinstance(release, dict) else None


def next_number(published: Iterable[Mapping[str, Any] | None], now: float | None = None) -> int:
    """The number of a new release, greater than that of any before; raises `ReleaseError`.

    It is the time, so that the numbers go on after the index was set up anew.
    """
    now = time.time() if now is None else now
    last = max((int(release["number"]) for release in published if release), default=0)
    if last > now + _LATEST:
        raise ReleaseError(
            f"The last release was made on {time.strftime('%Y-%m-%d', time.gmtime(last))}, which is still to come: "
            "set this machine's clock."
        )
    return max(last + 1, int(now))


def steps(serial: str, hosts: int, has_canaries: bool) -> list[int]:
    """The shares of all hosts (per cent) that a rollout comes to one after the other, 0 being canaries alone.

    serial  how many are added at a time, a number or a share such as `20%`
    Raises `ReleaseError`.
    """
    text = str(serial).strip()
    number = text.removesuffix("%").strip()
    if not number.isdecimal() or int(number) < 1:
        raise ReleaseError(f"wheelhouse_serial is {text!r}: write a number of hosts, or a share such as 20%.")
    share = int(number) if text.endswith("%") else math.ceil(100 * int(number) / max(hosts, 1))
    share = min(share, 100)
    shares = [min(share * step, 100) for step in range(1, math.ceil(100 / share) + 1)]
    return ([0] if has_canaries else []) + shares


def progress(
    release: Mapping[str, Any], names: Mapping[str, str], heartbeats: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """How far one step of a rollout has come: the hosts that it is for, by what they report.

    release     the step's, with its `share`
    names       {what a release calls a host: its name}
    heartbeats  the last one of each host
    Returns names of hosts as `ok`, `failed` and `silent`, which have not reported on this release yet.
    """
    found: dict[str, list[str]] = {"ok": [], "failed": [], "silent": []}
    for identity, name in sorted(names.items(), key=lambda one: one[1]):
        if identity not in release["canaries"] and not in_share(identity, int(release["share"])):
            continue
        heartbeat = heartbeats.get(name, {})
        is_current = heartbeat.get("number") == release["number"]
        found[str(heartbeat.get("outcome")) if is_current else "silent"].append(name)
    return found


def verdict(found: Mapping[str, Sequence[str]], most: int) -> str:
    """Why a rollout stops after a step, or an empty text.

    most    the greatest share (per cent) of hosts that may fail, of those that have reported
    """
    told = len(found["ok"]) + len(found["failed"])
    if not told and found["silent"]:
        return f"None of {_few(found['silent'])} has reported on this release in time, so it goes no further."
    if told and 100 * len(found["failed"]) > most * told:
        return (
            f"The release failed on {len(found['failed'])} of {told} hosts ({_few(found['failed'])}), so it goes no "
            "further. status.yml has their sentences."
        )
    return ""


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")


def _run(command: Sequence[str], given: bytes, missing: str) -> bytes:
    """What a command prints; raises `ReleaseError`, with what it said, or `missing` where it is not installed."""
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=_PATIENCE, check=False)
    except FileNotFoundError:
        raise ReleaseError(missing) from None
    except subprocess.TimeoutExpired:
        raise ReleaseError(
            f"{command[0]} did not end within {_PATIENCE} seconds: does a key have a passphrase?"
        ) from None
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise ReleaseError(f"{command[0]} failed: {said[:300] or f'exit code {done.returncode}'}.")
    return done.stdout
