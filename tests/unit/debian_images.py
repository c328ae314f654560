"""Images of Debian 13 with a package of Debian, for what runs in a container of its own."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

IMAGES = Path(__file__).resolve().parents[2] / "demo" / "images"


@cache
def image_with(package: str) -> str | None:
    """The name of such an image, which is built the first time; None where there is no Docker engine."""
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        return None
    built = subprocess.run([IMAGES, "test", package], check=True, stdout=subprocess.PIPE, text=True)
    return built.stdout.strip()
