# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: trust_store
short_description: Keep the company's CA certificates in a host's trust store
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Writes each certificate into a file of its own, named C(wheelhouse-*.crt) after its content, and removes such files
    of certificates that are not wanted any more. Files with other names stay.
  - On Linux, rebuilds the trust store when a file in O(directory) is newer. On macOS, adds the certificates to the
    keychain and writes a file with all trusted certificates for tools that read files.
  - It compares what is on the host, so the next run completes one that was interrupted.
options:
  certificates:
    description: The company's CA certificates, as the text of a PEM file. Empty removes all.
    type: str
    default: ''
  directory:
    description: Where the files of certificates are. It has to belong to root.
    type: path
    required: true
  store:
    description: The file with all trusted certificates.
    type: path
    required: true
  rebuild:
    description: On Linux, the command that makes O(store) from O(directory), as a list of words.
    type: list
    elements: str
  keychain:
    description: On macOS, the keychain of the system.
    type: path
  system_store:
    description: On macOS, the file with the certificates that the system itself trusts.
    type: path
  keep_superseded:
    description: Keep certificates that are not among O(certificates) and report them in RV(superseded).
    type: bool
    default: false
attributes:
  check_mode:
    description: Reports what would change, also on a host without a trust store.
    support: full
  diff_mode:
    description: Lists the certificates, with their subjects, before and after.
    support: full
"""

EXAMPLES = r"""
- name: Trust the company's CA
  wheelhouse.onboarding.trust_store:
    certificates: "{{ lookup('ansible.builtin.file', 'acme-ca.pem') }}"
    directory: /usr/local/share/ca-certificates
    store: /etc/ssl/certs/ca-certificates.crt
    rebuild: [update-ca-certificates, --fresh]
"""

RETURN = r"""
superseded:
  description: Files of certificates that are not among O(certificates) and were kept.
  type: list
  elements: str
  returned: always
  sample: [/usr/local/share/ca-certificates/wheelhouse-0a1b2c3d4e5f6071.crt]
rebuilt:
  description: Whether the trust store was rebuilt.
  type: bool
  returned: always
  sample: false
"""

import contextlib
import os
import re
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.atomic_write import decode, read, replace
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.certificates import (
    certificate_files,
    described,
)


class TrustStore:
    """The host's trust store and the certificates in it that this module wrote."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._check_mode = module.check_mode
        self.directory: str = module.params["directory"]
        self.store: str = module.params["store"]

    def present(self) -> dict[str, bytes]:
        """{path: content} of the certificates that this module wrote."""
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return {}
        paths = [os.path.join(self.directory, name) for name in names if re.fullmatch(r"wheelhouse-\w+\.crt", name)]
        return {path: read(path) or b"" for path in paths}

    def write(self, paths: dict[str, bytes]) -> None:
        """Write certificates, {path: content}."""
        if self._check_mode:
            return
        if not os.path.isdir(self.directory):
            os.makedirs(self.directory, exist_ok=True)
            os.chmod(self.directory, 0o755)
        for path, content in paths.items():
            replace(path, content, 0o644, 0, 0)

    def remove(self, paths: list[str]) -> None:
        """Remove certificates; to be repeated where it was interrupted, the file goes last."""
        if not self._check_mode:
            for path in paths:
                os.unlink(path)

    def settle(self, certificates: dict[str, str], is_changed: bool) -> bool:
        """Bring the store to {path: certificate}, and report whether it changes.

        is_changed  whether the files of certificates do
        """
        raise NotImplementedError

    def run(self, command: list[str]) -> str:
        """The output of a command; ends the module where it fails."""
        _code, output, _error = self._module.run_command(command, check_rc=True)
        return str(output)

    def fail(self, sentence: str) -> None:
        self._module.fail_json(msg=sentence)


class Linux(TrustStore):
    """A file that a program of the distribution makes of directories."""

    def settle(self, certificates: dict[str, str], is_changed: bool) -> bool:
        if not (is_changed or self.is_outdated()):
            return False
        if not self._check_mode:
            self.run(self._module.params["rebuild"])
        return True

    def write(self, paths: dict[str, bytes]) -> None:
        program = self._module.params["rebuild"][0]
        if not self._check_mode and self._module.get_bin_path(program) is None:
            self.fail(f"{program} is not on this host; install its package ca-certificates first.")
        super().write(paths)

    def is_outdated(self) -> bool:
        """Whether the directory, or a file in it, changed after the store was made."""
        since = _changed_at(self.store)
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return False
        return any(_changed_at(os.path.join(self.directory, name)) > since for name in ["", *names])


class MacOS(TrustStore):
    """The keychain of the system, and a file beside it."""

    def remove(self, paths: list[str]) -> None:
        for path in paths if not self._check_mode else []:
            self.run(["security", "remove-trusted-cert", "-d", path])
        super().remove(paths)

    def settle(self, certificates: dict[str, str], is_changed: bool) -> bool:
        changed = self._write_store(list(certificates.values()))
        known = self._in_keychain() if certificates else ""
        missing = [path for path, one in certificates.items() if _body(one) not in known]
        for path in missing if not self._check_mode else []:
            keychain = self._module.params["keychain"]
            self.run(["security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", keychain, path])
        return changed or bool(missing)

    def _in_keychain(self) -> str:
        found = self.run(["security", "find-certificate", "-a", "-p", self._module.params["keychain"]])
        return re.sub(r"\s", "", found)

    def _write_store(self, certificates: list[str]) -> bool:
        """Keep the file with what the system and the company trust; there is none without a CA of the company."""
        found = read(self.store)
        if not certificates:
            if found is not None and not self._check_mode:
                os.unlink(self.store)
            return found is not None
        system = read(self._module.params["system_store"]) or b""
        wanted = system.rstrip(b"\n") + b"\n" + "".join(f"{one}\n" for one in certificates).encode()
        if found != wanted and not self._check_mode:
            replace(self.store, wanted, 0o644, 0, 0)
        return found != wanted


def _body(certificate: str) -> str:
    """A certificate's PEM text without its first and last line and without white space."""
    return re.sub(r"\s|-----[A-Z ]+-----", "", certificate)


def _changed_at(path: str) -> float:
    try:
        return os.stat(path).st_ctime
    except FileNotFoundError:
        return 0.0


def refuse_directory(directory: str) -> str | None:
    """Why certificates are not written to a directory, a sentence, or None: others than root may change it."""
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(directory)
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"{directory} has to belong to root and be writable by no other account; correct its owner and mode."
    return None


def listed(files: dict[str, bytes]) -> str:
    """The certificates in files, one a line, for `--diff`."""
    lines = [(os.path.basename(path), described(decode(content))) for path, content in sorted(files.items())]
    return "".join(f"{name}: {what}\n" if what else f"{name}\n" for name, what in lines)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "certificates": {"type": "str", "default": ""},
            "directory": {"type": "path", "required": True},
            "store": {"type": "path", "required": True},
            "rebuild": {"type": "list", "elements": "str"},
            "keychain": {"type": "path"},
            "system_store": {"type": "path"},
            "keep_superseded": {"type": "bool", "default": False},
        },
        required_one_of=[("rebuild", "keychain")],
        mutually_exclusive=[("rebuild", "keychain")],
        required_together=[("keychain", "system_store")],
        supports_check_mode=True,
    )
    trust = MacOS(module) if module.params["keychain"] else Linux(module)
    try:
        named = certificate_files(module.params["certificates"])
    except ValueError as exc:
        module.fail_json(msg=str(exc))
    fault = refuse_directory(trust.directory)
    if fault:
        module.fail_json(msg=fault)
    certificates = {os.path.join(trust.directory, name): one for name, one in named.items()}
    wanted = {path: f"{one}\n".encode() for path, one in certificates.items()}
    before = trust.present()
    superseded = [path for path in before if path not in wanted]
    kept = superseded if module.params["keep_superseded"] else []
    to_write = {path: content for path, content in wanted.items() if before.get(path) != content}
    to_remove = [path for path in superseded if path not in kept]
    if to_write:
        trust.write(to_write)
    trust.remove(to_remove)
    after = {path: content for path, content in before.items() if path not in to_remove} | wanted
    rebuilt = trust.settle(certificates, bool(to_write or to_remove))
    diff = {"before": listed(before), "after": listed(after)}
    diff |= {"before_header": trust.directory, "after_header": trust.directory}
    module.exit_json(changed=bool(to_write or to_remove or rebuilt), superseded=kept, rebuilt=rebuilt, diff=diff)


if __name__ == "__main__":
    main()
