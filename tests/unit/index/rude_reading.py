"""The program's readers, but for files that are called after what goes wrong; `test_together` has them served."""

import os
import signal
import zipfile
from pathlib import Path
from typing import IO, Any

import rude_readers
from wheelhouse.formats import confined_reader, description, reading
from wheelhouse.formats.conda_package import BadPackage
from wheelhouse.formats.distribution import BadDistribution


def _check(stream: IO[bytes], filename: str, **given: Any) -> Any:
    for name in ("hog", "killed", "spin", "crash"):
        if f"_{name}-" in filename:
            rude_readers._TASKS[name](stream, filename)
    if "_fragile-" in filename:
        marker = Path(zipfile.ZipFile(stream).read("marker").decode())
        if marker.exists():
            marker.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        stream.seek(0)
    return reading._TASKS["check"](stream, filename, **given)


def serve(descriptor: int) -> None:
    description.warm_up()
    confined_reader.serve(descriptor, {**reading._TASKS, "check": _check}, (BadDistribution, BadPackage))
