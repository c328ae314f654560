"""An issuer of identities for CI jobs, as a real server with TLS on 127.0.0.1, that can be made to misbehave."""

import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from .public import Public

AUDIENCE = "packages.acme.example"
COMMIT = "5cf17280a1b2c3d4e5f60718293a4b5c6d7e8f90"
GITLAB = {
    "project_path": "acme/hello",
    "project_id": "22",
    "namespace_path": "acme",
    "sha": COMMIT,
    "ref": "v1.0",
    "ref_type": "tag",
    "ref_protected": "true",
    "pipeline_id": "574",
    "job_id": "302",
    "ci_config_ref_uri": "gitlab.acme.example/acme/hello//.gitlab-ci.yml@refs/tags/v1.0",
    "sub": "project_path:acme/hello:ref_type:tag:ref:v1.0",
    "user_email": "ada@acme.example",
}
GITHUB = {
    "repository": "acme/hello",
    "repository_id": "74",
    "repository_owner": "acme",
    "repository_owner_id": "65",
    "sha": COMMIT,
    "ref": "refs/tags/v1.0",
    "run_id": "30433642",
    "run_attempt": "1",
    "job_workflow_ref": "acme/hello/.github/workflows/publish.yml@refs/tags/v1.0",
    "sub": "repo:acme/hello:ref:refs/tags/v1.0",
}
ENTRY: dict[str, Any] = {"claims": {"project_path": "acme/hello"}, "publishes": ["acme-hello"]}
REQUEST_TOKEN = "of-this-run"
FIRST_KEY = rsa.generate_private_key(65537, 2048)


class Issuer(Public):
    """Signs what it is asked to, with any of its keys."""

    def __init__(self, certificate: Path) -> None:
        self.private: dict[str, Any] = {"first": FIRST_KEY}
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        """Path -> status, headers and body of another answer than the right one."""
        self.job: Callable[[str], str] = lambda audience: self.identity(GITHUB, aud=audience)
        """What a job of GitHub's is given for an audience."""
        super().__init__(_handler(self), certificate)

    def add_key(self, kid: str, key: Any = None) -> None:
        self.private[kid] = key or rsa.generate_private_key(65537, 2048)

    def identity(
        self,
        claims: dict[str, Any],
        *,
        kid: str = "first",
        algorithm: str = "RS256",
        key: Any = None,
        without: tuple[str, ...] = (),
        **changes: Any,
    ) -> str:
        now = int(time.time())
        usual = {"iss": self.origin, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 300, "jti": str(uuid4())}
        told = {name: value for name, value in {**usual, **claims, **changes}.items() if name not in without}
        return jwt.encode(told, key or self.private[kid], algorithm, headers={"kid": kid})

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if path in self.pages:
            return self.pages[path]
        if path == "/.well-known/openid-configuration":
            return 200, {}, json.dumps({"issuer": self.origin, "jwks_uri": f"{self.origin}/keys"}).encode()
        if path == "/keys":
            return 200, {}, json.dumps({"keys": [_public(kid, key) for kid, key in self.private.items()]}).encode()
        return 404, {}, b""

    def forget(self) -> None:
        self.asked.clear()


def _public(kid: str, key: Any) -> dict[str, Any]:
    algorithm = (
        jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
    )
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            parts = urlsplit(self.path)
            status, headers, body = issuer.answer(parts.path)
            if parts.path == "/job" and self.headers["Authorization"] == f"Bearer {REQUEST_TOKEN}":
                (audience,) = parse_qs(parts.query)["audience"]
                status, body = 200, json.dumps({"value": issuer.job(audience)}).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
