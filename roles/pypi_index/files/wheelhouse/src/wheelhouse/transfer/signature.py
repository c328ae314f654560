"""Signatures of manifests, by OpenSSH's own program.

The key is the site's, made once, without a passphrase, in a directory that nobody but its owner enters. Who may sign is
in a file as `ssh-keygen` knows it: `wheelhouse-export namespaces="wheelhouse-export" ssh-ed25519 AAAA...`.
"""

import subprocess
from pathlib import Path

from wheelhouse.errors import WheelhouseError
from wheelhouse.transfer.bundle import BadBundle

NAMESPACE = "wheelhouse-export"
"""So that no other signature of the same key is one of a bundle."""
SIGNER = "wheelhouse-export"
"""Whom the file of allowed signers names."""
_PATIENCE = 60


def make_key(key: Path) -> bool:
    """Make the key where there is none; False if there is. Raises `WheelhouseError`."""
    if key.exists():
        return False
    # Whole or not at all: under another name first.
    part = key.with_name(f".{key.name}.part")
    for path in (part, _public(part)):
        path.unlink(missing_ok=True)
    _run("-q", "-t", "ed25519", "-N", "", "-C", SIGNER, "-f", str(part))
    _public(part).replace(_public(key))
    part.replace(key)
    return True


def public_key(key: Path) -> str:
    """The line that the inside is to be given; raises `WheelhouseError`."""
    return _run("-y", "-f", str(key)).strip()


def sign(content: bytes, key: Path) -> bytes:
    """Raises `WheelhouseError`."""
    return _run("-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key), given=content).encode()


def verify(content: bytes, signature: Path, signers: Path) -> None:
    """Raises `BadBundle` unless one of the allowed signers signed it."""
    if not signers.exists():
        raise WheelhouseError(f"{signers} is not there: it says whose bundles are taken (package_transfer_signers).")
    command = ["-Y", "verify", "-q", "-n", NAMESPACE, "-I", SIGNER, "-f", str(signers), "-s", str(signature)]
    done = _done(*command, given=content)
    if done.returncode:
        raise BadBundle("The bundle is not signed by any of the allowed signers, or was changed after it was signed.")


def _run(*arguments: str, given: bytes = b"") -> str:
    done = _done(*arguments, given=given)
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise WheelhouseError(f"ssh-keygen failed: {said[:300] or f'exit code {done.returncode}'}.")
    return done.stdout.decode()


def _done(*arguments: str, given: bytes) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            ["ssh-keygen", *arguments], input=given, capture_output=True, timeout=_PATIENCE, check=False
        )
    except FileNotFoundError:
        raise WheelhouseError("ssh-keygen is not here: install openssh-client.") from None
    except subprocess.TimeoutExpired:
        raise WheelhouseError(f"ssh-keygen did not end within {_PATIENCE} seconds.") from None


def _public(key: Path) -> Path:
    return key.with_name(f"{key.name}.pub")
