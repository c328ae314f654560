"""Attestations over the gateway: sent with an upload, read with the login of an installation."""

from __future__ import annotations

import json

import pytest
from gateway import JSON, Answer, Gateway
from index.attestations import attestation
from index.samples import MULTIPART, Wheel, multipart

PROJECT = "acme-attested"


@pytest.fixture(scope="module")
def wheel(version: str) -> Wheel:
    return Wheel("acme_attested", version)


def send(gateway: Gateway, wheel: Wheel, one: object) -> Answer:
    form = {":action": "file_upload", "protocol_version": "1", "attestations": json.dumps([one])}
    body = multipart(form, wheel.filename, wheel.build())
    return gateway.ask("/", "POST", body=body, headers={"Content-Type": MULTIPART})


def test_they_are_kept_and_served(gateway: Gateway, wheel: Wheel) -> None:
    broken = attestation(wheel.filename, b"another file")
    refused = send(gateway, wheel, broken)
    assert refused.status == 400 and "with another SHA-256" in refused.text
    one = attestation(wheel.filename, wheel.build())
    assert send(gateway, wheel, one).status == 200
    page = gateway.ask(f"/simple/{PROJECT}/", headers={"Accept": JSON}).json
    [file] = [file for file in page["files"] if file["filename"] == wheel.filename]
    place = file["provenance"].removeprefix(f"https://{gateway.name}")
    assert place == f"/integrity/{PROJECT}/{wheel.version}/{wheel.filename}/provenance"
    answer = gateway.ask(place, login="leo")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/vnd.pypi.integrity.v1+json"
    assert answer.json["attestation_bundles"][0]["attestations"] == [one]
    assert gateway.ask(place, login=None).status == 401
    assert gateway.ask(place.replace(PROJECT, "acme-none")).status == 404
