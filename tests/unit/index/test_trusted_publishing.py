"""Publishing from CI without a password: whose identity is right gets a token for a while, and nobody else does."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import func, select, update
from wheelhouse import cli
from wheelhouse.index import tables
from wheelhouse.index.opening import open_index
from wheelhouse.index.tokens import Tokens
from wheelhouse.oidc import keys
from wheelhouse.web.app import application

from . import served
from .issuer import COMMIT, ENTRY, GITHUB, GITLAB, Issuer
from .journal import journal
from .public import CompanyProxy, certificates, stopping
from .samples import MULTIPART, PASSWORD, Answer, Client, Wheel, basic, multipart

MINT = "/_/oidc/mint-token"
HELLO = Wheel("acme_hello")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def issuer(tls: tuple[Path, Path], config: Path, configure: Callable[..., None]) -> Iterator[Issuer]:
    """One that the company's CA vouches for, and whose project acme/hello may publish acme-hello."""
    (config / "ca.pem").write_bytes(tls[0].read_bytes())
    with stopping(Issuer(tls[1])) as issuer:
        configure(publishers=[{"issuer": issuer.origin, **ENTRY}])
        yield issuer


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An issuer is asked again whenever there is a reason to."""
    monkeypatch.setattr(keys, "AGAIN", 0.0)


def mint(client: Client, identity: str, path: str = MINT, **more: Any) -> Answer:
    body = json.dumps({"token": identity, **more}).encode()
    return client.send("POST", path, body, CONTENT_TYPE="application/json")


def token(client: Client, identity: str) -> str:
    answer = mint(client, identity)
    assert answer.status == 200, answer.text
    return str(json.loads(answer.text)["token"])


def sentence(answer: Answer, status: int = 422) -> str:
    """Of a refusal, which says the same to each client in its way."""
    assert answer.status == status, answer.text
    said = json.loads(answer.text)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert said["status"] == status and said["errors"][0]["description"] == said["detail"]
    return str(said["detail"])


def upload(client: Client, text: str, wheel: Wheel = HELLO, user: str = "__token__") -> Answer:
    body = multipart({":action": "file_upload"}, wheel.filename, wheel.build())
    return client.send("POST", "/", body, CONTENT_TYPE=MULTIPART, HTTP_AUTHORIZATION=basic(user, text))


def check(client: Client, text: str, user: str = "__token__") -> int:
    return client.send("GET", "/logins/check", HTTP_AUTHORIZATION=basic(user, text)).status


# --- what clients ask


def test_clients_find_out_how(client: Client, issuer: Issuer) -> None:
    assert json.loads(client.send("GET", "/_/oidc/audience").text) == {"audience": "packages.acme.example"}
    for key in ("discover=%2F", "discover=", ""):
        found = json.loads(client.send("GET", "/.well-known/pytp", QUERY_STRING=key).text)
        assert found["audience-endpoint"] == "https://packages.acme.example/_/oidc/audience"
        assert found["token-mint-endpoint"] == "https://packages.acme.example/_/oidc/mint-token"
    assert client.send("GET", "/.well-known/pytp", QUERY_STRING="discover=%2Fother%2F").status == 404


def test_an_index_without_publishers_says_so(client: Client) -> None:
    for method, path in (("GET", "/_/oidc/audience"), ("GET", "/.well-known/pytp"), ("POST", MINT)):
        answer = client.send(method, path, b'{"token": "x"}' if method == "POST" else b"")
        assert sentence(answer, 404) == (
            "No CI job may publish here without a password; to change that, ask it@acme.example."
        )


@pytest.mark.parametrize("path", [MINT, "/_/oidc/github/mint-token"])
def test_a_job_publishes(client: Client, issuer: Issuer, root: Path, path: str) -> None:
    answer = mint(client, issuer.identity(GITLAB), path)
    given = json.loads(answer.text)
    assert given["success"] is True and answer.headers["Cache-Control"] == "no-store"
    assert 0 <= given["expires"] - time.time() - 900 < 60 or 0 <= time.time() + 900 - given["expires"] < 60
    assert upload(client, given["token"]).status == 200
    assert served.content(root, f"packages/acme-hello/{HELLO.filename}")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"token": 1}', b"{}", b'{"token": "x", "features": ["single-use-token"]}', b"[" * 9000]
)
def test_what_is_no_request(client: Client, issuer: Issuer, body: bytes) -> None:
    sentence(client.send("POST", MINT, body))
    assert sentence(mint(client, "x" * 20_000), 413) == "The request cannot be read, or is too long."


# --- whose identity is right


def test_an_identity_counts_once(client: Client, issuer: Issuer, root: Path) -> None:
    identity, other = issuer.identity(GITLAB, jti="one"), issuer.identity(GITLAB, jti="two")
    token(client, identity)
    says = "This identity was used before, and each counts once: have the job ask for another one."
    assert sentence(mint(client, identity)) == says
    assert sentence(mint(Client(application()), identity)) == says, "also after a restart"
    again = issuer.identity(GITLAB, jti="one", exp=int(time.time()) + 200)
    assert sentence(mint(client, again)) == says, "in whatever form"
    token(client, other)


def test_an_identity_without_a_number_counts_once(client: Client, issuer: Issuer) -> None:
    identity = issuer.identity(GITLAB, without=("jti",))
    token(client, identity)
    assert "was used before" in sentence(mint(client, identity))


def test_identities_that_have_ended_are_forgotten(client: Client, issuer: Issuer, index: Any) -> None:
    token(client, issuer.identity(GITLAB))
    with index.database.change("test") as connection:
        connection.execute(update(tables.used_identities).values(until="2026-01-01T00:00:00.000000Z"))
        connection.execute(update(tables.tokens).values(until="2026-01-01T00:00:00.000000Z"))
    token(client, issuer.identity(GITLAB))
    with index.database.read() as connection:
        for table in (tables.used_identities, tables.tokens):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 1


NOW = int(time.time())
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "fork": ({"project_path": "mallory/hello"}, "may not publish here, because project_path is 'mallory/hello';"),
    "no repository": ({"project_path": None}, "may not publish here, because project_path is nothing;"),
    "a list": ({"project_path": ["acme/hello"]}, "because project_path is no single text;"),
    "other audience": (
        {"aud": "pypi"},
        "is for 'pypi', and not for this index: ask for one for packages.acme.example.",
    ),
    "no audience": ({"aud": None}, "is for nothing, and not for this index"),
    "expired": ({"exp": NOW - 60}, "The identity ended at 20"),
    "later": ({"nbf": NOW + 6000}, "The identity begins at 20"),
    "clock off": ({"iat": NOW + 6000}, "is wrong."),
    "long": ({"exp": NOW + 90 * 86400}, "lasts longer than 32 days"),
    "no time": ({"exp": "soon"}, "has a time that is none."),
    "never": ({"exp": 10**30}, "has a time that is none."),
    "no end": ({"exp": None}, "is not as OpenID Connect has it"),
    "a number of another kind": ({"jti": 7}, "is not as OpenID Connect has it"),
    "another issuer": ({"iss": "https://gitlab.example"}, "No job of 'https://gitlab.example' may publish here;"),
    "no issuer": ({"without": ("iss",)}, "No job of nothing may publish here;"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(client: Client, issuer: Issuer, index: Any, what: str) -> None:
    changes, says = REFUSED[what]
    assert says in sentence(mint(client, issuer.identity(GITLAB, **changes)))
    assert Tokens(index.database).of() == []


def test_clocks_may_differ_a_little(client: Client, issuer: Issuer) -> None:
    now = int(time.time())
    token(client, issuer.identity(GITLAB, exp=now - 10))
    token(client, issuer.identity(GITLAB, iat=now + 10, nbf=now + 10))


def test_who_may_is_said_to_nobody_who_may_not(client: Client, issuer: Issuer) -> None:
    assert "acme" not in sentence(mint(client, issuer.identity({"sub": "somebody"}))).replace("@acme.example", "")


# --- signatures


def test_another_key_under_the_same_name(client: Client, issuer: Issuer) -> None:
    forged = issuer.identity(GITLAB, key=rsa.generate_private_key(65537, 2048))
    assert sentence(mint(client, forged)) == f"The signature of the identity is not that of {issuer.origin}."


def test_changed_claims(client: Client, issuer: Issuer) -> None:
    head, _, signature = issuer.identity({**GITLAB, "project_path": "mallory/hello"}).split(".")
    body = issuer.identity(GITLAB).split(".")[1]
    assert "signature" in sentence(mint(client, f"{head}.{body}.{signature}"))


def test_no_signature_and_one_that_anybody_can_make(client: Client, issuer: Issuer) -> None:
    now = int(time.time())
    claims = {**GITLAB, "iss": issuer.origin, "aud": "packages.acme.example", "iat": now, "exp": now + 60, "jti": "x"}
    public = issuer.private["first"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    encode = jwt.PyJWS().encode
    hs256 = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    unsigned = jwt.encode(claims, None, "none", headers={"kid": "first"})
    head, body, _ = jwt.encode(claims, "k" * 32, "HS256", headers={"kid": "first"}).split(".")
    signature = jwt.utils.base64url_encode(hs256.sign(f"{head}.{body}".encode(), pem)).decode()
    assert encode and sentence(mint(client, unsigned)).endswith("does not count ('none').")
    assert sentence(mint(client, f"{head}.{body}.{signature}")).endswith("does not count ('HS256').")
    assert issuer.asked == []


@pytest.mark.parametrize("algorithm", ["RS512", "PS256", "ES256", "ES384"])
def test_algorithms_that_count(client: Client, issuer: Issuer, algorithm: str) -> None:
    if algorithm.startswith("ES"):
        issuer.add_key("curve", ec.generate_private_key(ec.SECP384R1() if algorithm == "ES384" else ec.SECP256R1()))
    kid = "curve" if algorithm.startswith("ES") else "first"
    token(client, issuer.identity(GITLAB, kid=kid, algorithm=algorithm))


def test_a_key_that_is_too_short(client: Client, issuer: Issuer) -> None:
    issuer.add_key("short", rsa.generate_private_key(65537, 1024))
    assert "signature" in sentence(mint(client, issuer.identity(GITLAB, kid="short")))


def test_a_key_for_another_algorithm(client: Client, issuer: Issuer) -> None:
    issuer.add_key("curve", ec.generate_private_key(ec.SECP256R1()))
    forged = issuer.identity(GITLAB, kid="curve", key=issuer.private["first"])
    assert sentence(mint(client, forged)).endswith("signed in another way than " + issuer.origin + " signs.")


def test_a_key_that_says_what_it_is_for(client: Client, issuer: Issuer) -> None:
    (key,) = json.loads(issuer.answer("/keys")[2])["keys"]
    for changes in ({"alg": "RS512"}, {"use": "enc"}):
        issuer.pages["/keys"] = 200, {}, json.dumps({"keys": [{**key, **changes}]}).encode()
        sentence(mint(Client(application()), issuer.identity(GITLAB)))


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "....", "eyJhbGciOiJub25lIn0.W10.", "\0", "é.é.é"])
def test_what_is_no_identity(client: Client, issuer: Issuer, text: str) -> None:
    assert "send the ID token that the CI system makes for packages.acme.example" in sentence(mint(client, text))


# --- keys


def test_keys_are_kept(client: Client, issuer: Issuer) -> None:
    for _ in range(3):
        token(client, issuer.identity(GITLAB))
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_rotated_keys_are_found(client: Client, issuer: Issuer, at_once: None) -> None:
    token(client, issuer.identity(GITLAB))
    issuer.add_key("second")
    token(client, issuer.identity(GITLAB, kid="second"))


def test_a_withdrawn_key_ends(client: Client, issuer: Issuer, at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    old = issuer.identity(GITLAB)
    token(client, issuer.identity(GITLAB))
    issuer.private = {"second": rsa.generate_private_key(65537, 2048)}
    monkeypatch.setattr(keys, "KEPT", 0.05)
    time.sleep(0.06)
    monkeypatch.setattr(keys, "KEPT", 3600.0)
    token(client, issuer.identity(GITLAB, kid="second"))
    assert "signed with a key that" in sentence(mint(client, old))


def test_unknown_keys_cost_the_issuer_one_question(client: Client, issuer: Issuer) -> None:
    stranger = rsa.generate_private_key(65537, 2048)
    for number in range(5):
        says = sentence(mint(client, issuer.identity(GITLAB, kid=f"x{number}", key=stranger)))
        assert (
            says
            == f"The identity is signed with a key that {issuer.origin} does not have: run the job again in a minute."
        )
    assert issuer.asked.count("/keys") == 1
    token(client, issuer.identity(GITLAB))


def test_an_issuer_that_is_down(client: Client, issuer: Issuer, at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = issuer.identity(GITLAB)
    issuer.stop()
    says = f"The keys of {issuer.origin} cannot be read: Connection refused; try again in a minute."
    assert sentence(mint(client, identity), 503) == says
    issuer.start()
    monkeypatch.setattr(keys, "AGAIN", 30.0)
    assert sentence(mint(client, identity), 503) == says, "whoever asks at once is not waited for"
    monkeypatch.setattr(keys, "AGAIN", 0.0)
    token(client, identity)


STRANGE: dict[str, tuple[int, dict[str, str], bytes]] = {
    "its discovery document is that of another issuer": (200, {}, b'{"issuer": "https://evil.example"}'),
    "its discovery document has no https address of keys": (200, {}, b'{"issuer": "@", "jwks_uri": "http://x/"}'),
    "it answers 302": (302, {"Location": "/elsewhere"}, b""),
    "it answers 500": (500, {}, b""),
    "its answer is no JSON object": (200, {}, b"[" * 5000),
    "its answer is too long, or takes too long": (200, {}, b" " * 300_000),
}


@pytest.mark.parametrize("says", STRANGE)
def test_an_issuer_that_answers_in_a_strange_way(client: Client, issuer: Issuer, says: str) -> None:
    status, headers, body = STRANGE[says]
    answer = status, headers, body.replace(b"@", issuer.origin.encode())
    issuer.pages["/.well-known/openid-configuration"] = answer
    assert f"cannot be read: {says};" in sentence(mint(client, issuer.identity(GITLAB)), 503)
    assert "/elsewhere" not in issuer.asked


def test_keys_come_through_the_proxy(client: Client, issuer: Issuer, config: Path) -> None:
    with stopping(CompanyProxy("ci", "of the proxy")) as proxy:
        (config / "proxy.env").write_text(f"HTTPS_PROXY=http://ci:of%20the%20proxy@127.0.0.1:{proxy.port}\n")
        token(client, issuer.identity(GITLAB))
        assert proxy.forwarded == [issuer.origin.removeprefix("https://")] * 2 or len(proxy.forwarded) == 1


def test_the_issuer_needs_a_certificate_that_is_trusted(client: Client, issuer: Issuer, config: Path) -> None:
    (config / "ca.pem").unlink()
    assert "its certificate is not trusted" in sentence(mint(client, issuer.identity(GITLAB)), 503)


# --- what a token may


def test_a_token_does_nothing_but_publish_what_it_is_for(client: Client, issuer: Issuer, root: Path) -> None:
    text = token(client, issuer.identity(GITLAB))
    assert f"{text[4:12]}:2:" in (root / "logins/tokens").read_text()
    owner = "127.0.0.1:acme/hello"
    refused = upload(client, text, Wheel("acme_other"))
    assert refused.status == 403
    assert refused.text.strip() == (
        f"{owner} may not publish acme-other: {owner} may publish acme-hello; to change that, ask it@acme.example."
    )
    for path, body in (("/api/tokens", b'{"name": "more", "for": "1d"}'), ("/account/tokens", b"name=more")):
        made = client.send(
            "POST", path, body, CONTENT_TYPE="application/json", HTTP_AUTHORIZATION=basic("__token__", text)
        )
        assert made.status == 403
    assert upload(client, text, user="ada").status == 401


def test_a_token_lasts_for_a_quarter_of_an_hour(client: Client, issuer: Issuer, index: Any) -> None:
    text = token(client, issuer.identity(GITLAB))
    (made,) = Tokens(index.database).of()
    ends = datetime.fromisoformat(made.until or "")
    assert timedelta(minutes=14) < ends - datetime.now(UTC) <= timedelta(minutes=15)
    assert (made.reads, made.manages, made.publishes) == (False, False, ("acme-hello",))
    with index.database.change("test") as connection:
        connection.execute(update(tables.tokens).values(until="2026-01-01T00:00:00.000000Z"))
    assert check(client, text) == 401


def test_a_token_is_burnt(client: Client, issuer: Issuer, root: Path) -> None:
    text, other = token(client, issuer.identity(GITLAB)), token(client, issuer.identity(GITLAB))
    burn = b'{"token": "%s"}' % text.encode()
    for body in (burn, burn, b'{"token": "unknown"}'):
        assert client.send("POST", "/_/oidc/burn-token", body).status == 202
    assert (check(client, text), check(client, other)) == (401, 200)
    assert text[4:12] not in (root / "logins/tokens").read_text()


def test_nobody_burns_the_tokens_of_people(client: Client, issuer: Issuer) -> None:
    body = b'{"name": "mine", "for": "1d"}'
    login = {"CONTENT_TYPE": "application/json", "HTTP_AUTHORIZATION": basic("ada", PASSWORD)}
    mine = json.loads(client.send("POST", "/api/tokens", body, **login).text)["token"]
    assert client.send("POST", "/_/oidc/burn-token", json.dumps({"token": mine}).encode()).status == 202
    assert check(client, mine) == 200


def test_tokens_outlive_a_look_at_who_has_an_account(client: Client, issuer: Issuer, index: Any) -> None:
    text = token(client, issuer.identity(GITLAB))
    Tokens(index.database).refresh(set())
    assert check(client, text) == 200


def test_what_the_settings_take_back_is_taken_back(
    client: Client, issuer: Issuer, configure: Callable[..., None]
) -> None:
    text = token(client, issuer.identity(GITLAB))
    configure(publishers=[{"issuer": issuer.origin, **ENTRY, "publishes": ["acme-more"]}])
    assert upload(client, text).status == 403
    other = {"issuer": issuer.origin, "claims": {"project_path": "acme/other"}, "publishes": ["acme-hello"]}
    configure(publishers=[other])
    refused = upload(client, text)
    assert refused.status == 403 and "may not publish anything" in refused.text
    assert client.send("GET", f"/publishers/:{text[4:12]}").status == 403


def test_entries_add_up(client: Client, issuer: Issuer, configure: Callable[..., None]) -> None:
    tags = {"claims": {"namespace_path": "acme", "ref_protected": "true"}, "publishes": ["acme-more"]}
    configure(publishers=[{"issuer": issuer.origin, **one} for one in (ENTRY, tags)])
    text = token(client, issuer.identity(GITLAB))
    assert {upload(client, text, Wheel(name)).status for name in ("acme_hello", "acme_more")} == {200}
    branch = token(client, issuer.identity(GITLAB, ref_protected="false"))
    assert [upload(client, branch, Wheel(name, "2")).status for name in ("acme_hello", "acme_more")] == [200, 403]


def test_truth_is_written_as_a_text(client: Client, issuer: Issuer, configure: Callable[..., None]) -> None:
    claims = {"project_id": "22", "email_verified": "true"}
    configure(publishers=[{"issuer": issuer.origin, "claims": claims, "publishes": ["acme-hello"]}])
    token(client, issuer.identity({"project_id": 22, "email_verified": True}))
    assert "email_verified is 'false'" in sentence(
        mint(client, issuer.identity({"project_id": 22, "email_verified": False}))
    )


# --- what is written down


def test_events_name_the_job(client: Client, issuer: Issuer, root: Path) -> None:
    text = token(client, issuer.identity(GITLAB))
    upload(client, text)
    upload(client, text, Wheel("acme_other"))
    client.send("POST", "/_/oidc/burn-token", b'{"token": "%s"}' % text.encode())
    job = {
        "issuer": issuer.origin,
        "repository": "acme/hello",
        "commit": COMMIT,
        "run": "574",
        "ref": "v1.0",
    }
    events = journal(root)
    assert [(one["event"], one["who"], one["job"]) for one in events] == [
        (event, "127.0.0.1:acme/hello", job) for event in ("create token", "publish", "refuse", "revoke token")
    ]
    assert "ada@acme.example" not in json.dumps(events)


def test_the_project_page_names_the_job(client: Client, issuer: Issuer, configure: Callable[..., None]) -> None:
    configure(publishers=[{"issuer": issuer.origin, "claims": {"repository": "acme/hello"}, "publishes": ["acme-*"]}])
    upload(client, token(client, issuer.identity(GITHUB)))
    upload(client, PASSWORD, Wheel("acme_hello", "0.9"), user="ada")
    page = client.send("GET", "/projects/acme-hello/").text
    assert page.count("by 127.0.0.1:acme/hello") >= 2
    assert page.count(f"commit {COMMIT}, ref refs/tags/v1.0, run 30433642") == 2, "above, and beside the file"
    assert "ada and CI jobs" not in page and "ada, CI jobs of 127.0.0.1" in page


def test_what_a_job_is_called_cannot_be_an_account(
    client: Client, issuer: Issuer, root: Path, configure: Callable[..., None]
) -> None:
    configure(publishers=[{"issuer": issuer.origin, "claims": {"sub": "ada"}, "publishes": ["acme-hello"]}])
    upload(client, token(client, issuer.identity({"sub": "ada"})))
    assert journal(root, "publish")[0]["who"] == "127.0.0.1:ada"


def test_no_secret_is_written_down(
    client: Client, issuer: Issuer, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    identities = [issuer.identity(GITLAB), issuer.identity(GITLAB, aud="pypi")]
    text = token(client, identities[0])
    mint(client, identities[0]), mint(client, identities[1])
    upload(client, text)
    secrets = [text[12:44], *(identity.split(".")[2][:40] for identity in identities)]
    written = caplog.text + json.dumps(journal(root))
    for path in (root / "state").iterdir():
        written += path.read_bytes().decode("latin-1")
    assert [secret for secret in secrets if secret in written] == []
    assert "127.0.0.1:acme/hello" in caplog.text and "not for this index" in caplog.text


def test_the_administrator_sees_and_ends_them(
    client: Client, issuer: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    text = token(client, issuer.identity(GITLAB))
    assert cli.main(["token", "list"]) == 0
    assert "127.0.0.1:acme/hello  run 574: publishes acme-hello, until 20" in capsys.readouterr().out
    assert cli.main(["token", "revoke", text[4:12]]) == 0
    assert check(client, text) == 401


def test_a_page_of_another_site_exchanges_nothing(client: Client, issuer: Issuer) -> None:
    body = json.dumps({"token": issuer.identity(GITLAB)}).encode()
    assert client.send("POST", MINT, body, HTTP_ORIGIN="https://evil.example").status == 403


def test_workers_agree_on_what_was_used(client: Client, issuer: Issuer, root: Path) -> None:
    others = [client, Client(application())]
    identities = [issuer.identity(GITLAB) for _ in range(4)]
    answers = [[mint(other, identity).status for other in others] for identity in identities]
    assert answers == [[200, 422]] * 4
    assert len(Tokens(open_index(root).database).of()) == 4
