"""Publishing from CI without a password: jobs as examples/ci has them, an issuer of our own that only the proxy reaches."""

from __future__ import annotations

import base64
import io
import json
import tarfile
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import jwt
import pytest
import trustme
from ci_jobs import github, gitlab, run, runner_image
from company import ROOT, STATE, eventually
from cryptography.hazmat.primitives.asymmetric import rsa
from gateway import PAGE, Answer, Gateway
from index.samples import Wheel
from testinfra.host import Host

HOST = "conda.example.net"
"""The one name that the proxy's host has for itself in the world outside; see demo/create.yml."""
ISSUER = f"https://{HOST}"
AUDIENCE = "packages.acme.example"
PLACE = "/run/issuer"
COMMIT = "5cf17280a1b2c3d4e5f60718293a4b5c6d7e8f90"
GITLAB = {"project_path": "acme/hello", "ref_protected": "true", "sha": COMMIT, "pipeline_id": "574", "ref": "v1"}
GITHUB = {"repository": "acme/hello", "repository_id": "74", "sha": COMMIT, "run_id": "30433642"}
MINT = "/_/oidc/mint-token"
GITHUBS_OWN = "of-this-run"


class Issuer:
    """On the proxy's host. It signs here, and has its keys and what jobs of GitHub's are given there."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self._files: dict[str, bytes] = {}
        company = trustme.CA.from_pem((STATE / "ca.pem").read_bytes(), (STATE / "ca.key").read_bytes())
        self._own = {
            "server.pem": company.issue_cert(HOST).private_key_and_cert_chain_pem.bytes(),
            "https_files.py": (ROOT / "tests/integration/index/https_files.py").read_bytes(),
        }
        document = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        self._files[".well-known/openid-configuration"] = json.dumps(document).encode()
        self.rotate("first")

    def identity(self, claims: dict[str, str], **changes: Any) -> str:
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600, "jti": str(uuid4())}
        kid, key = list(self._keys.items())[-1]
        return jwt.encode({**usual, **claims, **changes}, key, "RS256", headers={"kid": kid})

    def rotate(self, kid: str) -> None:
        """Have another key, and no more the one before."""
        key = rsa.generate_private_key(65537, 2048)
        self._keys = {kid: key}
        public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self.put("keys", json.dumps({"keys": [{**public, "kid": kid, "use": "sig", "alg": "RS256"}]}))

    def put(self, name: str, content: str) -> None:
        self._files[name] = content.encode()
        everything = self._own | {f"files/{path}": body for path, body in self._files.items()}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for path, body in everything.items():
                info = tarfile.TarInfo(path)
                info.size = len(body)
                archive.addfile(info, io.BytesIO(body))
        text = base64.b64encode(packed.getvalue()).decode()
        self._host.check_output(f"mkdir -p {PLACE} && printf %%s %s | base64 -d | tar -xz -C {PLACE}", text)

    def start(self) -> None:
        self._host.run("systemctl stop issuer.service")
        self._host.check_output(f"systemd-run --collect --unit issuer python3 {PLACE}/https_files.py {PLACE} 443")
        listening = "ss --no-header --listening --tcp 'sport = 443'"
        eventually(lambda: bool(self._host.run(listening).stdout), "the issuer listens", 30)

    def stop(self) -> None:
        self._host.run(f"systemctl stop issuer.service; rm -rf {PLACE}")


@pytest.fixture(scope="module")
def issuer(proxy: Host) -> Iterator[Issuer]:
    issuer = Issuer(proxy)
    issuer.start()
    yield issuer
    issuer.stop()


@pytest.fixture(scope="module", autouse=True)
def publishers(settings: Any, issuer: Issuer) -> None:
    claims = ({"project_path": "acme/hello", "ref_protected": "true"}, {"repository": "acme/hello"})
    settings.apply(
        pypi_index_publishers=[{"issuer": ISSUER, "claims": one, "publishes": ["acme-hello"]} for one in claims]
    )


@pytest.fixture(scope="module")
def runner(index: Host) -> Iterator[str]:
    with runner_image(index) as image:
        yield image


@pytest.fixture(scope="module")
def reading(index: Host) -> Iterator[str]:
    """A token that may install and nothing else, which a job has as a secret."""
    made: str = index.check_output(f"docker exec wheelhouse-index wheelhouse token create ada 'jobs {time.time()}'")
    yield made
    index.check_output(f"docker exec wheelhouse-index wheelhouse token revoke {made[4:12]}")


def of_gitlab(issuer: Issuer) -> tuple[dict[str, str], str]:
    variables, script = gitlab("examples/ci/gitlab-ci-identity.yml")
    identity = issuer.identity(GITLAB)
    return {**variables, "GITLAB_CI": "true", "PACKAGES_ACME_EXAMPLE_ID_TOKEN": identity}, script


def of_github(issuer: Issuer) -> tuple[dict[str, str], str]:
    variables, script = github("examples/ci/github-actions-identity.yml", "INDEX_TOKEN")
    issuer.put("job", json.dumps({"value": issuer.identity(GITHUB)}))
    given = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{ISSUER}/job?version=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": GITHUBS_OWN}
    return {**variables, **given, "GITHUB_ACTIONS": "true"}, script


SYSTEMS = {"gitlab": of_gitlab, "github": of_github}


def mint(gateway: Gateway, identity: str) -> Answer:
    body = json.dumps({"token": identity}).encode()
    return gateway.ask(MINT, "POST", None, {"Content-Type": "application/json"}, body)


def token(gateway: Gateway, identity: str) -> str:
    answer = mint(gateway, identity)
    assert answer.status == 200, answer
    return str(answer.json["token"])


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_job_publishes(
    system: str, issuer: Issuer, index: Host, gateway: Gateway, runner: str, reading: str, version: str
) -> None:
    release = f"{version}.{30 + list(SYSTEMS).index(system)}"  # other tests of jobs publish the project as well
    variables, script = SYSTEMS[system](issuer)
    done = run(index, runner, {**variables, "INDEX_TOKEN": reading}, script, release)
    printed = done.stdout + done.stderr
    assert done.rc == 0, printed
    assert release in gateway.page("acme-hello")["versions"]
    assert reading not in printed
    text = index.check_output("docker exec wheelhouse-index wheelhouse journal --json")
    events = [json.loads(line) for line in text.splitlines()]
    (published, *_) = [one for one in events if one["event"] == "publish" and one.get("version") == release]
    run_number = GITLAB["pipeline_id"] if system == "gitlab" else GITHUB["run_id"]
    assert published["who"] == f"{HOST}:acme/hello"
    assert (published["job"]["issuer"], published["job"]["commit"]) == (ISSUER, COMMIT)
    assert published["job"]["run"] == run_number
    assert f"commit {COMMIT}" in gateway.ask("/projects/acme-hello/").text
    assert "revoke token" in [one["event"] for one in events], "uv burns its token"


def test_who_is_refused(gateway: Gateway, issuer: Issuer) -> None:
    used = issuer.identity(GITLAB)
    token(gateway, used)
    now = int(time.time())
    for identity, says in (
        (used, "was used before"),
        (issuer.identity({**GITLAB, "project_path": "mallory/hello"}), "project_path is 'mallory/hello'"),
        (issuer.identity({**GITLAB, "ref_protected": "false"}), "ref_protected is 'false'"),
        (issuer.identity(GITLAB, aud="pypi"), "is for 'pypi', and not for this index"),
        (issuer.identity(GITLAB, exp=now - 60), "The identity ended at"),
        (issuer.identity(GITLAB, nbf=now + 600), "or that of"),
        (issuer.identity(GITLAB, iss="https://evil.example"), "No job of 'https://evil.example' may publish here"),
        ("x", "This is no identity of a job"),
    ):
        answer = mint(gateway, identity)
        assert answer.status == 422 and says in answer.json["detail"] and says in answer.reason, answer


def test_a_token_publishes_and_never_reads(gateway: Gateway, issuer: Issuer, version: str) -> None:
    text = token(gateway, issuer.identity(GITLAB))
    login = ("__token__", text)
    mine, other = Wheel("acme_hello", f"{version}.7"), Wheel("acme_gateway", f"{version}.7")
    refused = gateway.upload(other.filename, other.build(), login)
    assert refused.status == 403 and "may publish acme-hello" in refused.text
    assert gateway.upload(mine.filename, mine.build(), login).status == 200
    assert [gateway.ask(path, login=login).status for path in (PAGE, "/", "/reports/")] == [403] * 3
    burn = json.dumps({"token": text}).encode()
    assert gateway.ask("/_/oidc/burn-token", "POST", None, {"Content-Type": "application/json"}, burn).status == 202
    eventually(lambda: gateway.ask(PAGE, login=login).status == 401, "a token that was burnt is refused", 5)
    again = Wheel("acme_hello", f"{version}.8")
    assert gateway.upload(again.filename, again.build(), login).status == 401


def test_without_a_login_nothing_else_is_reached(gateway: Gateway) -> None:
    assert gateway.ask("/_/oidc/audience", login=None).json == {"audience": AUDIENCE}
    found = gateway.ask("/.well-known/pytp?discover=%2F", login=None)
    assert found.json["token-mint-endpoint"] == f"https://{AUDIENCE}{MINT}"
    assert found.headers.get_all("Cache-Control") == ["no-store"]
    assert [gateway.ask(path, login=None).status for path in ("/.well-known/other", "/_/oidc/other")] == [404] * 2
    assert gateway.ask(MINT, "POST", None, {"Content-Type": "application/json"}, b"x" * 20_000).status == 413
    foreign = {"Content-Type": "application/json", "Origin": "https://evil.example"}
    assert gateway.ask(MINT, "POST", None, foreign, b"{}").status == 403


def test_rotated_keys_are_found(gateway: Gateway, issuer: Issuer) -> None:
    token(gateway, issuer.identity(GITLAB))
    before = issuer.identity(GITLAB)
    issuer.rotate("second")
    # each worker of the program asks an issuer again after half a minute

    def counts() -> bool:
        return all(mint(gateway, issuer.identity(GITLAB)).status == 200 for _ in range(20))

    eventually(counts, "the new key counts", 60)
    assert mint(gateway, before).status in (200, 422), "the old one ends with the hour"


def test_no_secret_is_written_anywhere(gateway: Gateway, issuer: Issuer, index: Host) -> None:
    identity = issuer.identity(GITLAB)
    text = token(gateway, identity)
    for secret in (text[12:44], identity.rpartition(".")[2][:43]):
        found = index.run(
            f"grep -rlaF -e {secret} /srv/wheelhouse/shelf/state /srv/wheelhouse/config /var/log;"
            f" journalctl --no-pager | grep -cF -e {secret}; docker logs wheelhouse-index 2>&1 | grep -cF -e {secret}"
        )
        assert found.stdout.split() == ["0", "0"], found.stderr


def test_guessing_is_slow(gateway: Gateway, issuer: Issuer) -> None:
    """And shuts nobody else out: who logs in does so."""
    wrong = issuer.identity(GITLAB, aud="other")
    answers = {mint(gateway, wrong).status for _ in range(140)}
    assert answers == {422, 429}
    assert mint(gateway, issuer.identity(GITLAB)).status == 429
    assert gateway.ask(PAGE).status in (200, 404)


def test_without_publishers_the_index_reaches_nobody(settings: Any, gateway: Gateway, index: Host) -> None:
    network = "docker inspect --format '{{.HostConfig.NetworkMode}}' wheelhouse-index"
    assert index.check_output(network) == "host"
    settings.apply()
    assert index.check_output(network) == "none"
    assert not index.file("/srv/wheelhouse/config/proxy.env").exists
    answer = gateway.ask("/_/oidc/audience", login=None)
    assert answer.status == 404 and "No CI job may publish here without a password" in answer.text
