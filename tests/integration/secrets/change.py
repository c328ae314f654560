"""What a company changes: passwords in its vault and at its proxy, its CA and certificate."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from types import ModuleType

from company import INVENTORY, ROOT, STATE, vault


def credentials() -> ModuleType:
    """The program that makes the demo's secrets."""
    spec = importlib.util.spec_from_file_location("credentials", ROOT / "demo" / "credentials.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def playbook(path: str) -> None:
    """Run one of the demo's own playbooks."""
    command = ["ansible-playbook", "-i", str(INVENTORY), str(ROOT / path)]
    subprocess.run(command, cwd=ROOT, env=os.environ, check=True, capture_output=True)


def write_vault(passwords: dict[str, str]) -> None:
    credentials().write(STATE / "vault.json", json.dumps(passwords).encode())


def new_passwords(kind: str) -> dict[str, str]:
    """The vault with other passwords of a kind: `index` or `proxy`."""
    return vault() | {name: one for name, one in credentials().passwords().items() if name.endswith(f"_{kind}")}


def new_ca() -> None:
    """Another CA, which the hosts do not know yet, and a certificate of the index that it signed."""
    made = credentials()
    made.company_ca(STATE)
    made.server_certificate(STATE, "index", made.INDEX_NAMES)
    (STATE / "trust.pem").write_bytes((STATE / "ca.pem").read_bytes() + (STATE / "machine-ca.pem").read_bytes())
