"""Gives px the password of the machine's account, from a file in its runtime directory that a reload replaces."""

from __future__ import annotations

import os
from pathlib import Path

import keyring.backend
import keyring.errors


class Keyring(keyring.backend.KeyringBackend):
    """One password, for every user name."""

    priority = 1

    def get_password(self, service: str, username: str) -> str:
        """The current password: px asks for it at each new connection."""
        return Path(os.environ["RUNTIME_DIRECTORY"], "password").read_text(encoding="utf-8")

    def set_password(self, service: str, username: str, password: str) -> None:
        """The role corporate_proxy does that."""
        raise keyring.errors.PasswordSetError("the password is set by IT")
