"""Everything the index offers, read with the library pypi-simple, which shares no code with it. Prints facts as JSON.

    python shelf_reader.py ADDRESS

Runs on a workstation, with the credentials and the trust that are in place there.
"""

import hashlib
import io
import json
import sys
import zipfile
from email.parser import BytesParser

import requests
from pypi_simple import ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY, DistributionPackage, PyPISimple

FORMATS = {"json": ACCEPT_JSON_ONLY, "html": ACCEPT_HTML_ONLY}


def described(package: DistributionPackage) -> dict[str, object]:
    """What a page says about a file."""
    return {
        "url": package.url,
        "sha256": package.digests.get("sha256"),
        "requires_python": package.requires_python,
        "metadata": (package.metadata_digests or {}).get("sha256") if package.has_metadata else None,
        "yanked": package.yanked_reason if package.is_yanked else None,
        "size": package.size,
        "upload_time": package.upload_time and package.upload_time.isoformat(),
    }


def fetched(session: requests.Session, package: DistributionPackage) -> dict[str, object]:
    """What is true of it."""
    content = session.get(package.url)
    content.raise_for_status()
    facts = {"sha256": hashlib.sha256(content.content).hexdigest(), "size": len(content.content), "metadata": None}
    if package.filename.endswith(".whl"):
        with zipfile.ZipFile(io.BytesIO(content.content)) as wheel:
            (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            facts["requires_python"] = BytesParser().parsebytes(wheel.read(name))["Requires-Python"]
            facts["metadata"] = hashlib.sha256(wheel.read(name)).hexdigest()
        metadata = session.get(f"{package.url}.metadata")
        metadata.raise_for_status()
        facts["metadata_fetched"] = hashlib.sha256(metadata.content).hexdigest()
    return facts


def main(address: str) -> None:
    with PyPISimple(address) as client:
        found = {}
        lists = {name: client.get_index_page(accept=accept).projects for name, accept in FORMATS.items()}
        for project in lists["json"]:
            pages = {name: client.get_project_page(project, accept=accept) for name, accept in FORMATS.items()}
            files = {
                name: {package.filename: described(package) for package in page.packages}
                for name, page in pages.items()
            }
            facts = {package.filename: fetched(client.s, package) for package in pages["json"].packages}
            found[project] = {"said": files, "true": facts, "versions": pages["json"].versions}
        json.dump({"lists": lists, "projects": found}, sys.stdout)


main(sys.argv[1])
