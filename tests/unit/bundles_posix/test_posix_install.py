"""What a person can do after install.sh, with the real tools and nothing on their command lines."""

from __future__ import annotations

import shutil

import pytest

from .company import Company, Laptop

SHELLS = [shell for shell in ("dash", "bash", "busybox sh", "zsh") if shutil.which(shell.split()[0])]


@pytest.mark.parametrize("shell", SHELLS)
def test_it_installs_twice_and_goes_again(laptop: Laptop, company: Company, shell: str) -> None:
    before = laptop.holds()
    laptop.install(company, shell)
    once = laptop.holds()
    again = laptop.run(shell=shell)
    assert again.returncode == 0, again.stderr.decode()
    assert laptop.holds() == once
    laptop.uninstall(shell)
    assert laptop.holds() == before
