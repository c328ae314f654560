"""What has to come before any test imports a plugin of a collection, and what each test leaves as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader
from hypothesis import HealthCheck, settings

# a busy machine is no fault of the code
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")
init_plugin_loader()  # makes plugins of collections importable and known by their FQCN


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """Modules that run in this process change its directory and umask, as they may in one of their own."""
    directory = Path.cwd()
    umask = os.umask(0o022)
    os.umask(umask)
    yield
    os.chdir(directory)
    os.umask(umask)
