"""Attestations, as PEP 740 has them: who says, with a signature, that a file was made or published somewhere.

What is checked is their form, that they are about this very file, and that the key in each one's certificate made its
signature. Who issued the certificate, and whether a transparency log has it, is not: whoever needs that verifies what
the index serves with a tool that has Sigstore's roots of trust.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from pypiserver.config import DEFAULTS

from wheelhouse.formats.distribution import BadDistribution, parse_filename

MAX_SIZE = 2**18
"""Characters of all attestations of a file; one has about 6,000."""
MAX_NUMBER = 8
CONTENT_TYPE = "application/vnd.pypi.integrity.v1+json"
# below the documentation of the public index, whose address pypiserver has
PUBLISH = f"https://docs.{urlsplit(DEFAULTS.FALLBACK_URL).hostname}/attestations/publish/v1"
_TYPES = {
    PUBLISH: "publish",
    "https://slsa.dev/provenance/v1": "provenance",
}
"""What an attestation may say of a file, and what people call that."""
_STATEMENT = "https://in-toto.io/Statement/v1"
_PAYLOAD = b"application/vnd.in-toto+json"
_ISSUER, _REPOSITORY, _WORKFLOW = (f"1.3.6.1.4.1.57264.1.{number}" for number in (8, 12, 18))
"""Of Fulcio's certificates: who identified the job, its repository, and the file that says what it does."""
_UTF8_STRING = 0x0C
_KINDS = {"https://token.actions.githubusercontent.com": "GitHub", "https://gitlab.com": "GitLab"}
_WRONG = (ValueError, KeyError, TypeError, AttributeError, RecursionError, UnsupportedAlgorithm)


@dataclass(frozen=True)
class Attestation:
    """One that is as it should be."""

    raw: Mapping[str, Any]
    """As it was sent."""
    says: str
    """`publish` or `provenance`."""
    issuer: str
    """Who identified the job that signed it, by its certificate; "" if that does not say."""
    repository: str
    """The address of the repository, by the certificate; or ""."""
    workflow: str
    """The address of the file that says what the job does, with a ref behind an @; or ""."""

    @property
    def publisher(self) -> dict[str, Any]:
        """Whose job it was, as PEP 740 has it; by the certificate alone."""
        path = urlsplit(self.repository).path.strip("/")
        kind = _KINDS.get(self.issuer)
        if kind is None or not path:
            return {"kind": "Other", "claims": None}
        file = urlsplit(self.workflow.partition("@")[0]).path.strip("/").removeprefix(f"{path}/").removeprefix("/-/")
        if kind == "GitHub":
            return {"kind": kind, "claims": None, "repository": path, "workflow": file.rpartition("/")[2]} | _NOWHERE
        return {"kind": kind, "claims": None, "repository": path, "workflow_filepath": file.lstrip("/")} | _NOWHERE


_NOWHERE = {"environment": None}


def read(text: str, filename: str, sha256: str) -> tuple[Attestation, ...]:
    """The attestations that came with a file, by the field `attestations` of the upload; none for none.

    Raises `BadDistribution` for a single one that is not as it should be.
    """
    if not text.strip():
        return ()
    if len(text) > MAX_SIZE:
        raise BadDistribution(f"The attestations of {filename} are longer than {MAX_SIZE} characters.")
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise BadDistribution(f"The attestations of {filename} are no JSON.") from None
    if not isinstance(given, list):
        raise BadDistribution(f"The attestations of {filename} are no list, as PEP 740 has them.")
    return _checked(given, filename, sha256)


def provenance(attestations: Sequence[Attestation]) -> str:
    """The provenance of a file with these, as PEP 740 has it: JSON, always the same for the same ones."""
    bundles: dict[str, dict[str, Any]] = {}
    for one in attestations:
        publisher = one.publisher
        bundle = bundles.setdefault(json.dumps(publisher, sort_keys=True), {"publisher": publisher, "attestations": []})
        bundle["attestations"].append(one.raw)
    return json.dumps({"version": 1, "attestation_bundles": list(bundles.values())}, sort_keys=True)


def makers(document: str) -> list[str]:
    """Who made the attestations in a provenance that was checked, as it says, each once."""
    found = []
    for bundle in json.loads(document)["attestation_bundles"]:
        publisher = bundle.get("publisher")
        publisher = publisher if isinstance(publisher, dict) else {}
        file = publisher.get("workflow") or publisher.get("workflow_filepath")
        known = [publisher.get("kind"), publisher.get("repository"), file and f"({file})"]
        text = " ".join(str(one) for one in known if one) if publisher.get("repository") else "a job elsewhere"
        found.append(text[:200])
    return list(dict.fromkeys(found))


def read_provenance(text: str, filename: str, sha256: str) -> tuple[Attestation, ...]:
    """The attestations in the provenance of a file; raises `BadDistribution` if one is not as it should be."""
    if len(text) > 4 * MAX_SIZE:
        raise BadDistribution(f"The provenance of {filename} is longer than {4 * MAX_SIZE} characters.")
    try:
        given = json.loads(text)
        bundles = given["attestation_bundles"] if given["version"] == 1 else None
        found = [one for bundle in bundles or () for one in bundle["attestations"] if _is_object(bundle["publisher"])]
    except _WRONG:
        found = []
    if not found:
        raise BadDistribution(f"The provenance of {filename} is none as PEP 740 has it.")
    # Those of several bundles may say the same.
    return tuple(_one(raw, filename, sha256, f"Attestation {number}") for number, raw in enumerate(found, 1))


def _checked(given: Sequence[Any], filename: str, sha256: str) -> tuple[Attestation, ...]:
    if len(given) > MAX_NUMBER:
        raise BadDistribution(f"{filename} has {len(given)} attestations; at most {MAX_NUMBER} make sense.")
    found = tuple(_one(raw, filename, sha256, f"Attestation {number}") for number, raw in enumerate(given, 1))
    kinds = [one.says for one in found]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise BadDistribution(f"{filename} has more than one attestation of the kind {kind}.")
    return found


def _one(raw: Any, filename: str, sha256: str, which: str) -> Attestation:
    try:
        if raw["version"] != 1:
            raise BadDistribution(f"{which} of {filename} is of a version that this index does not know.")
        material, envelope = raw["verification_material"], raw["envelope"]
        certificate = x509.load_der_x509_certificate(_bytes(material["certificate"]))
        logged = material["transparency_entries"]
        statement, signature = _bytes(envelope["statement"]), _bytes(envelope["signature"])
        said = json.loads(statement)
        subjects, kind = said["subject"], said["predicateType"]
        is_form = said["_type"] == _STATEMENT and isinstance(logged, list) and all(map(_is_object, logged)) and logged
    except BadDistribution:
        raise
    except _WRONG:
        raise BadDistribution(f"{which} of {filename} is not as PEP 740 has it.") from None
    if not is_form:
        raise BadDistribution(f"{which} of {filename} is not as PEP 740 has it.")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise BadDistribution(f"{which} of {filename} says {str(kind)[:100]!a}, which this index does not know.")
    _refuse_other_subject(subjects, filename, sha256, which)
    if not _is_signed(certificate, statement, signature):
        raise BadDistribution(f"{which} of {filename} was not signed with the key of its certificate.")
    facts = dict(_facts(certificate))
    return Attestation(raw, _TYPES[kind], *(facts.get(one, "") for one in (_ISSUER, _REPOSITORY, _WORKFLOW)))


def _refuse_other_subject(subjects: Any, filename: str, sha256: str, which: str) -> None:
    """Raises `BadDistribution`."""
    try:
        (subject,) = subjects
        name, digest = subject["name"], subject["digest"]["sha256"]
        is_this = parse_filename(name).identity == parse_filename(filename).identity
    except (BadDistribution, *_WRONG):
        raise BadDistribution(f"{which} of {filename} is about no file, or about several.") from None
    if not is_this:
        raise BadDistribution(f"{which} of {filename} is about another file, {name[:200]!a}.")
    if digest != sha256:
        raise BadDistribution(f"{which} of {filename} is about a file of this name with another SHA-256.")


def _is_signed(certificate: x509.Certificate, statement: bytes, signature: bytes) -> bool:
    """Whether the certificate's key made the signature: over what DSSE calls the pre-authentication encoding."""
    signed = b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD), _PAYLOAD, len(statement), statement)
    try:
        key = certificate.public_key()
        if not isinstance(key, EllipticCurvePublicKey):  # Sigstore's are
            return False
        key.verify(signature, signed, ECDSA(SHA256()))
    except (InvalidSignature, *_WRONG):
        return False
    return True


def _facts(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    """What Fulcio has written into a certificate: (object identifier, text)."""
    try:
        extensions = list(certificate.extensions)
    except (x509.DuplicateExtension, *_WRONG):
        return
    for one in extensions:
        value = one.value
        if one.oid.dotted_string in (_ISSUER, _REPOSITORY, _WORKFLOW) and isinstance(value, x509.UnrecognizedExtension):
            yield one.oid.dotted_string, _text(value.value)


def _text(der: bytes) -> str:
    """A string of DER that is shorter than 256 bytes; "" for anything else."""
    length, start = (der[2], 3) if der[1:2] == b"\x81" and len(der) > 2 else (der[1] if len(der) > 1 else 0, 2)
    if not der or der[0] != _UTF8_STRING or len(der) != start + length:
        return ""
    text = der[start:].decode(errors="replace")
    return text if re.fullmatch(r"https://[!-~]+", text) else ""


def _bytes(text: Any) -> bytes:
    """What base64 stands for; raises ValueError, TypeError."""
    if not isinstance(text, str):
        raise TypeError("no text")
    try:
        # some write it in lines
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)
