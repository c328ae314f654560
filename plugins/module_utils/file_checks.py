# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What files on the controller have to be that an inventory names.

Each check takes a path and returns None, or half a sentence that says what to do; an empty path is no file, and right.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.certificates import pem_certificates

_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
# What holds certificates in another form, and how to write them as PEM: {mark: (name, arguments of openssl)}
_OTHER_MARKS = {
    "PKCS7": ("PKCS#7", "pkcs7 -print_certs"),
    "CMS": ("PKCS#7", "pkcs7 -print_certs"),
    "TRUSTED CERTIFICATE": ("OpenSSL's own form", "x509"),
    "X509 CERTIFICATE": ("an old form", "x509"),
}
_SEQUENCE = b"\x30\x82"  # what DER begins with where it is longer than 255 bytes
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")  # of PKCS#7


def _absolute(value: str) -> str | None:
    if Path(value).is_absolute():
        return None
    name = re.sub(r"[^\w.-]+", "", Path(value).name) or "acme.pem"
    return (
        "which is relative, and would be looked for in more than one place: write the whole path, such as "
        f'"{{{{ inventory_dir }}}}/../files/{name}"'
    )


def file(value: str) -> str | None:
    if not value:
        return None
    if reason := _absolute(value):
        return reason
    if Path(value).is_dir():
        return "which is a directory: name a file"
    if not Path(value).is_file():
        return "which is no file on this machine: put it there, or correct the path"
    return None if os.access(value, os.R_OK) else "which your account may not read: change its permissions"


def directory(value: str) -> str | None:
    if reason := _absolute(value):
        return reason
    return None if Path(value).is_dir() else "which is no directory on this machine: make it, or correct the path"


def key_file(value: str) -> str | None:
    reason = file(value)
    if reason or not value:
        return reason
    content = _content(value, 1 << 20)
    if content.startswith(b"$ANSIBLE_VAULT") or b"PRIVATE KEY-----" in content:
        return None
    return "which holds no private key: name a PEM file with -----BEGIN PRIVATE KEY----- in it"


def pem_file(value: str) -> str | None:
    """Nothing of what is in the file is in the answer."""
    reason = file(value)
    if reason or not value:
        return reason
    content = _content(value, 4 << 20)
    text = content.decode("latin-1")
    if "PRIVATE KEY-----" in text or "BEGIN OPENSSH PRIVATE" in text:
        return "which holds a private key, and is given to others: name a file with certificates alone"
    if _CERTIFICATE not in text:
        return _other_form(value, content)
    try:
        count = len(pem_certificates(text))
    except ValueError:
        count = 0
    # the same certificate may stand there twice
    if not count or text.count(_CERTIFICATE) != len(re.findall(f"{_CERTIFICATE}[^-]+-----END CERTIFICATE-----", text)):
        return (
            "which has a certificate in it that is damaged (cut off, indented, or without its lines): copy the file "
            "again as it is"
        )
    return None


def _content(path: str, most: int) -> bytes:
    with Path(path).open("rb") as stream:
        return stream.read(most)


def _other_form(path: str, content: bytes) -> str:
    """How certificates get out of a file that is no PEM file of certificates."""
    form = ""
    for mark in _BEGIN.findall(content[: 1 << 16].decode("latin-1")):
        form, command = _OTHER_MARKS.get(mark, (form, ""))
        if form:
            return _advice(form, command, path)
    if content.startswith(_SEQUENCE):
        is_signed = _SIGNED_DATA in content[:40]
        form, command = ("PKCS#7", "pkcs7 -inform DER -print_certs") if is_signed else ("DER", "x509 -inform DER")
        return _advice(form, command, path)
    return "which holds no PEM certificate: name a file with -----BEGIN CERTIFICATE----- in it"


def _advice(form: str, command: str, path: str) -> str:
    new = Path(path).with_suffix(".pem").name
    new = f"new-{new}" if new == Path(path).name else new
    written = f"openssl {command} -in {shlex.quote(path)} -out {new}"
    return f"which is {form} and no PEM: write it with `{written}`, and name that"
