"""What intake keeps on the shelf, as a CycloneDX bill of materials."""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_NAMESPACE = uuid.UUID("6c1d2c1e-3a4b-5c7d-9e0f-2b8a4d6f1357")


def sbom(releases: Mapping[str, Mapping[str, Any]], needs: Mapping[str, Iterable[str]], index_url: str) -> str:
    """The document. `releases` are those of the report, by name, `needs` says which of them need which.

    The same content is the same document: it bears no time, and its number follows from what is in it.
    """
    licences = LicenseFactory()
    components: dict[str, Component] = {}
    for key, release in releases.items():
        name, version = release["project"], release["version"]
        of_channel = {"channel": release["channel"]} if "channel" in release else None
        components[key] = Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            purl=PackageURL("conda" if of_channel else "pypi", name=name, version=version, qualifiers=of_channel),
            bom_ref=key,
            licenses=[licences.make_from_string(release["licence"])] if release["licence"] else [],
            external_references=[
                ExternalReference(
                    type=ExternalReferenceType.DISTRIBUTION,
                    url=XsUri(f"{index_url}/{file['path']}"),
                    hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file["sha256"])],
                )
                for file in release["files"]
            ],
            properties=[Property(name="wheelhouse:asked-for-by", value=line) for line in release["lines"]],
        )
    refs = {key: component.bom_ref for key, component in components.items()}
    # Bom.register_dependency looks through all of them each time.
    dependencies = [
        Dependency(ref, [Dependency(refs[other]) for other in needs.get(key, ()) if other in refs])
        for key, ref in refs.items()
    ]
    bom = Bom(components=components.values(), dependencies=dependencies)
    content = "\n".join(
        f"{key} {sorted(str(file.url) for file in component.external_references)}"
        for key, component in components.items()
    )
    bom.serial_number = uuid.uuid5(_NAMESPACE, content)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    document["metadata"].pop("timestamp", None)
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
