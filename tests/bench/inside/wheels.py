"""Make tiny valid wheels on the index host, by the thousand. Only the standard library; Debian's Python runs it.

    wheels.py DIRECTORY FILES       a shelf: FILES files below DIRECTORY/<project>/, ten of them for each project
    wheels.py --project DIRECTORY PROJECT FILES     one project with so many files
    wheels.py --uploads DIRECTORY VERSION PROJECT ...    one file of each PROJECT, to be uploaded

The last project of a shelf, acme-bench, has eight files of 20 kB and two of 5 MB, to be downloaded; the others have ten
files of about 1 kB. Nothing is random from one run to the next.
"""

import base64
import hashlib
import multiprocessing
import os
import random
import sys
import zipfile
from pathlib import Path

FILES_PER_PROJECT = 10
SMALL, LARGE = 20_000, 5_000_000
"""Bytes in the files of acme-bench."""
_DATE = (2020, 1, 1, 0, 0, 0)


def wheel(directory: Path, project: str, version: str, payload: bytes = b"") -> Path:
    """Write one wheel into `directory`, with `payload` as the data of its one module."""
    name = project.replace("-", "_")
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\nRequires-Python: >=3.9\n"
    members = {
        f"{name}/__init__.py": f'"""{project}"""\n'.encode(),
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if payload:
        members[f"{name}/data.bin"] = payload
    record = "".join(f"{path},sha256={_digest(content)},{len(content)}\n" for path, content in members.items())
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member, _DATE), content)
    return path


def project(directory: Path, name: str, files: int = FILES_PER_PROJECT) -> None:
    """The files of one ordinary project."""
    place = directory / name
    place.mkdir()
    for release in range(files):
        wheel(place, name, f"1.{release}")


def bench_project(directory: Path) -> None:
    """The files that are downloaded."""
    place = directory / "acme-bench"
    place.mkdir()
    noise = random.Random(0)
    for release in range(FILES_PER_PROJECT):
        is_large = release >= FILES_PER_PROJECT - 2
        wheel(place, "acme-bench", f"{1 + is_large}.{release}", noise.randbytes(LARGE if is_large else SMALL))


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def main(arguments: list[str]) -> None:
    """Make what the command line asks for."""
    os.umask(0o022)
    if arguments[0] == "--uploads":
        for name in arguments[3:]:
            wheel(Path(arguments[1]), name, version=arguments[2])
        return
    if arguments[0] == "--project":
        project(Path(arguments[1]), arguments[2], int(arguments[3]))
        return
    directory = Path(arguments[0])
    bench_project(directory)
    numbers = range(int(arguments[1]) // FILES_PER_PROJECT - 1)
    with multiprocessing.Pool() as pool:
        pool.starmap(project, ((directory, f"acme-{number:06}") for number in numbers), chunksize=100)


if __name__ == "__main__":
    main(sys.argv[1:])
