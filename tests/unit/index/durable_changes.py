"""Changes to a shelf, one after the other, for whoever watches what this asks of the kernel.

python -m index.durable_changes SHELF    does each, and says so on its standard output when it was answered
"""

import os
import sys
from pathlib import Path

from wheelhouse.formats import conda_package, validation
from wheelhouse.formats.distribution import read
from wheelhouse.index.dropbox import Drop, Report
from wheelhouse.index.opening import open_index
from wheelhouse.index.reindex import Reindex
from wheelhouse.index.transaction import Incoming, IncomingPackage, Index

from .conda_samples import CondaPackage
from .samples import Wheel


def main(root: Path) -> None:
    index = open_index(root)
    answer("opened")
    for wheel in (Wheel(), Wheel(version="2.0"), Wheel("acme_other")):
        publish(index, wheel)
        answer(f"published {wheel.filename}")
    index.yank("acme-tools", "1.0", "x", "ada")
    answer("yanked")
    index.remove("acme-tools", "1.0", "x", "ada")
    answer("removed")
    index.remove("acme-other", "1.0", "x", "ada")
    answer("removed with its project")
    index.make_channel("internal", ["noarch"])
    answer("made a channel")
    package = CondaPackage()
    with index.staging.receive(Opened(package.build_it())) as path:
        record = conda_package.read(path, package.filename, None).record
        index.publish_packages("internal", [IncomingPackage(path, f"noarch/{package.filename}", record)], "ada", "x")
    answer(f"published {package.filename}")
    for wheel in COPIED_IN:
        (root / "drop" / wheel.filename).write_bytes(wheel.build())
    answer(LAID_DOWN)
    touched = Reindex(Drop(index, "it", Report())).take_in()
    assert len(touched) == 3 and not any((root / "drop").glob("*.whl"))
    answer("took in")


COPIED_IN = [Wheel(f"acme_p{number}", f"1.{release}") for number in range(3) for release in range(10)]
LAID_DOWN = "laid down what is to be taken in"


def publish(index: Index, wheel: Wheel) -> None:
    with index.staging.receive(Opened(wheel.build())) as path:
        checked = validation.check(read(path, wheel.filename), validation.Claims())
        index.publish([Incoming(path, checked)], "ada", "192.0.2.7")


class Opened:
    """Bytes that are read once."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int = -1) -> bytes:
        content, self._content = self._content, b""
        return content


def answer(what: str) -> None:
    os.write(1, f"ANSWER {what}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
