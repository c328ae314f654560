"""The way out: an authenticating proxy, NO_PROXY, a company's CA, and that their secrets stay where they are."""

import base64
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from wheelhouse.config import Config, ConfigError, load
from wheelhouse.network import Network
from wheelhouse.upstream import http_client

from .public import CompanyProxy, PublicIndex, certificates, public_wheel, stopping
from .samples import SETTINGS, Answer, Client

USERNAME = "EMEA\\ada"
PASSWORD = "p@ss%w:rd/ #é?"
ROTATED = "n€w+p&ss=\"'"


def proxy_url(port: int, password: str = PASSWORD) -> str:
    return f"http://{quote(USERNAME, safe='')}:{quote(password, safe='')}@127.0.0.1:{port}"


def spellings(password: str) -> set[str]:
    """How a password might show up."""
    both = f"{USERNAME}:{password}".encode()
    return {password, quote(password, safe=""), quote(password), repr(password)[1:-1], base64.b64encode(both).decode()}


@pytest.fixture
def public() -> Iterator[PublicIndex]:
    with stopping(PublicIndex()) as index:
        index.projects = {name: [public_wheel(name)] for name in ("requests", "flask", "numpy", "jinja2")}
        yield index


@pytest.fixture
def proxy() -> Iterator[CompanyProxy]:
    with stopping(CompanyProxy(USERNAME, PASSWORD)) as proxy:
        yield proxy


@pytest.fixture
def proxy_env(config: Path) -> Callable[..., None]:
    """Write proxy.env, as a role does: a new file in the place of the old one."""

    def write(**variables: str) -> None:
        new = config / "new"
        new.write_text("".join(f"{key}={value}\n" for key, value in variables.items()))
        new.rename(config / "proxy.env")

    return write


@pytest.fixture
def client(client: Client, public: PublicIndex, configure: Callable[..., None]) -> Client:
    configure(upstream="cached", upstream_url=public.url)
    return client


def fetch(client: Client, project: str) -> Answer:
    return client.send("GET", f"/cached/{project}/{project}-1.0-py3-none-any.whl")


def test_everything_goes_through_the_proxy(
    client: Client, public: PublicIndex, proxy: CompanyProxy, proxy_env: Callable[..., None]
) -> None:
    proxy_env(HTTP_PROXY=proxy_url(proxy.port), HTTPS_PROXY="http://127.0.0.1:9", NO_PROXY="localhost,.acme.example")
    assert fetch(client, "requests").content == public.projects["requests"][0].content
    host = public.url.removesuffix("/simple/")
    assert proxy.forwarded == [f"{host}{path}" for path in public.asked]
    assert (len(proxy.forwarded), proxy.refused) == (3, 0), "the page, and a file after a redirect"


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "localhost,127.0.0.0/8", "*", "::1, 127.0.0.1 ,x"])
def test_no_proxy_is_honoured(
    client: Client, public: PublicIndex, proxy: CompanyProxy, proxy_env: Callable[..., None], no_proxy: str
) -> None:
    proxy_env(HTTP_PROXY=proxy_url(proxy.port), no_proxy=f'"{no_proxy}"')
    assert fetch(client, "requests").status == 200
    assert proxy.forwarded == [] and proxy.refused == 0


@pytest.mark.parametrize(
    ("url", "goes_direct"),
    [
        ("https://git.acme.example/", True),
        ("https://acme.example/", True),
        ("https://evilacme.example/", False),
        ("https://acme.example.evil.example/", False),
        ("https://10.1.2.3:8443/", True),
        ("https://11.1.2.3/", False),
        ("https://[fd00::7]/", True),
        ("https://[fe00::7]/", False),
        ("http://git.acme.example/", True),
        ("http://index.example/", False),
    ],
)
def test_which_way_a_request_goes(url: str, *, goes_direct: bool) -> None:
    network = Network({"all_proxy": "http://proxy:8080"}, "localhost,.acme.example, 10.0.0.0/8,fd00::/8,nonsense/8")
    assert (network.proxy_for(httpx.URL(url)) is None) == goes_direct


def test_a_proxy_belongs_to_a_scheme() -> None:
    network = Network({"https_proxy": "http://proxy:8080"})
    assert network.proxy_for(httpx.URL("https://index.example/")) == "http://proxy:8080"
    assert network.proxy_for(httpx.URL("http://index.example/")) is None


def test_a_rotated_password_counts_at_once(
    client: Client, public: PublicIndex, proxy: CompanyProxy, proxy_env: Callable[..., None], config: Path
) -> None:
    proxy_env(http_proxy=proxy_url(proxy.port))
    assert fetch(client, "requests").status == 200
    proxy.password = ROTATED
    answer = fetch(client, "flask")
    assert (answer.status, "407" in answer.text) == (503, True)
    proxy_env(http_proxy=proxy_url(proxy.port, ROTATED))
    assert fetch(client, "flask").status == 200
    (config / "proxy.env").unlink()
    before = len(proxy.forwarded)
    assert fetch(client, "numpy").status == 200
    assert len(proxy.forwarded) == before, "no file, no proxy"


def test_a_broken_file_leaves_the_proxy_as_it_was(
    client: Client, proxy: CompanyProxy, config: Path, proxy_env: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    proxy_env(http_proxy=proxy_url(proxy.port))
    assert fetch(client, "requests").status == 200
    proxy_env(http_proxy=proxy_url(proxy.port, ROTATED).replace("127.0.0.1", "[127.0.0.1"))
    assert fetch(client, "flask").status == 200
    assert "HTTP_PROXY is not the address of a proxy; write one like http://proxy:8080." in caplog.text
    assert not [spelling for spelling in spellings(ROTATED) | spellings(PASSWORD) if spelling in caplog.text]


def test_https_through_a_tunnel_and_the_companys_ca(
    client: Client,
    configure: Callable[..., None],
    config: Path,
    proxy: CompanyProxy,
    proxy_env: Callable[..., None],
    tmp_path: Path,
) -> None:
    ca, certificate = certificates(tmp_path)
    with stopping(PublicIndex(certificate)) as public:
        public.projects["requests"] = [public_wheel()]
        configure(upstream_url=public.url)
        proxy_env(HTTPS_PROXY=proxy_url(proxy.port))
        answer = fetch(client, "requests")
        assert answer.status == 503
        assert "its certificate is not trusted (unable to get local issuer certificate)" in answer.text
        ca.rename(config / "ca.pem")
        assert fetch(client, "requests").content == public.projects["requests"][0].content
        assert set(proxy.forwarded) == {f"127.0.0.1:{public.port}"}
        proxy.password = "another"
        proxy_env(HTTPS_PROXY=proxy_url(proxy.port, PASSWORD), NO_PROXY="x")  # so that no open tunnel is used again
        answer = client.send("GET", "/simple/flask/")
        assert (answer.status, "the proxy answers 407" in answer.text) == (503, True)


def test_the_companys_ca_is_trusted_besides_the_public_ones(tmp_path: Path) -> None:
    ca, _ = certificates(tmp_path)
    pem = ca.read_bytes().decode("ascii", "ignore")
    count = [len(Network(ca=text).trust().get_ca_certs()) for text in ("", pem)]
    assert count[0] > 50 and count[1] == count[0] + 1


def test_a_page_does_not_come_in_the_clear(
    client: Client, public: PublicIndex, configure: Callable[..., None], config: Path, tmp_path: Path
) -> None:
    """Where https was asked for, whoever listens must not be able to write the hashes."""
    ca, certificate = certificates(tmp_path)
    ca.rename(config / "ca.pem")
    with stopping(PublicIndex(certificate)) as secure:
        secure.moved_to = public.url
        configure(upstream_url=secure.url)
        answer = client.send("GET", "/simple/requests/")
        assert (answer.status, "redirects to an address that is not encrypted" in answer.text) == (503, True)
        configure(upstream_url=public.url)
        public.moved_to = secure.url
        secure.moved_to, secure.projects = None, public.projects
        assert client.send("GET", "/simple/requests/").status == 200


@pytest.mark.parametrize(
    "line",
    [
        "HTTPS_PROXY=ftp://ada:hunter2@proxy:8080",
        "HTTPS_PROXY=http://ada:hunter2@",
        "HTTPS_PROXY=http://ada:hunter2@proxy:port",
        "HTTPS_PROXY=http://ada:hunter2@[proxy",
        "HTTPS_PROXY=socks5://ada:hunter2@proxy:1080",
        "HTTPS_PROXY=http://ada:hun ter2@proxy:8080",
        "HTTPS_PROXY='http://ada:hunter2@proxy:8080",
        "hunter2",
    ],
)
def test_a_wrong_line_is_told_without_the_secret(config: Path, line: str) -> None:
    (config / "proxy.env").write_text(f"# the proxy\n\n{line}\n")
    with pytest.raises(ConfigError, match=r"proxy\.env") as raised:
        load(config)
    assert "hunter2" not in str(raised.value) and "hun ter2" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "content"),
    [("proxy.env", b"A=\xff"), ("ca.pem", b""), ("ca.pem", b"hello"), ("ca.pem", b"-----BEGIN CERTIFICATE-----\nAAAA")],
)
def test_files_that_cannot_be_used(config: Path, name: str, content: bytes) -> None:
    (config / name).write_bytes(content)
    with pytest.raises(ConfigError, match=name):
        load(config)


@pytest.mark.parametrize("url", ["proxy.acme.example:8080", "http://proxy.acme.example:8080", "https://proxy:8080/"])
def test_proxies_as_people_write_them(config: Path, url: str) -> None:
    (config / "proxy.env").write_text(f'https_proxy="{url}"\nREQUESTS_CA_BUNDLE=/x.pem\nNO_PROXY=\n')
    network = load(config).network
    assert network.proxy_for(httpx.URL("https://index.example/")) == (url if "://" in url else f"http://{url}")
    http_client.client(network)


def test_no_secret_in_what_objects_say_of_themselves(config: Path) -> None:
    (config / "proxy.env").write_text(f"https_proxy={proxy_url(8080)}\n")
    said = repr(load(config))
    assert not [spelling for spelling in spellings(PASSWORD) if spelling in said]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_secret_in_logs_and_answers(
    client: Client,
    configure: Callable[..., None],
    proxy_env: Callable[..., None],
    proxy: CompanyProxy,
    caplog: pytest.LogCaptureFixture,
    scheme: str,
) -> None:
    """Every way in which a proxy fails."""
    caplog.set_level(logging.DEBUG, logger="wheelhouse")
    configure(upstream_url=f"{scheme}://127.0.0.1:9/simple/")
    said = []
    for number, url in enumerate(
        (
            proxy_url(proxy.port, ROTATED),  # the wrong password
            proxy_url(9, ROTATED),  # nobody there
            proxy_url(proxy.port, ROTATED).replace("http:", "https:"),  # not what it speaks
            proxy_url(proxy.port, ROTATED).replace("127.0.0.1", "nowhere.invalid"),
            proxy_url(proxy.port, PASSWORD),  # upstream is not there
        )
    ):
        proxy_env(**{f"{scheme}_proxy": url})
        for path in (f"/simple/x{number}/", f"/cached/x{number}/x{number}-1.tar.gz"):
            answer = client.send("GET", path)
            assert answer.status == 503, answer
            said += [answer.text, answer.reason, json.dumps(dict(answer.headers))]
    said.append(caplog.text)
    assert "upstream" in caplog.text
    for secret in (ROTATED, PASSWORD):
        assert not [spelling for spelling in spellings(secret) for text in said if spelling in text]


def test_the_proxys_file_is_watched(config: Path) -> None:
    watched = Config(config)
    (config / "config.json").write_text(json.dumps({**SETTINGS, "upstream": "cached"}))
    before = watched.current()
    assert watched.current() is before
    (config / "proxy.env").write_text("HTTPS_PROXY=proxy:8080\n")
    assert watched.current().network.proxies == {"https_proxy": "http://proxy:8080"}
