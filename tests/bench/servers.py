"""Who is compared: the index as the roles set it up, plain nginx, and the servers that people use instead.

All run on the index host. The index is what site.yml made of it. Plain nginx and two variants of the index are servers
of the same nginx, on ports of their own: `variants` derives them from the site that the role wrote. The others are
systemd units, each with a virtualenv of its own, started the way their own images and manuals start them.
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
from dataclasses import dataclass
from functools import cache

import shelves
from host import WORK, Host, HostError

SITE = "/etc/nginx/conf.d/wheelhouse.conf"
VARIANTS = "/etc/nginx/conf.d/zz-bench.conf"
"""Read after the site, whose names for logs and such they use."""
UV = f"{WORK}/uv/bin/uv"
READY = 90
"""Seconds a server has to answer for the first time."""

PEERS = {
    # the image's settings: one gevent worker; passlib and bcrypt are for the one with a login
    "pypiserver": ["pypiserver==2.4.2", "gunicorn==23.0.0", "gevent", "watchdog", "passlib==1.7.4", "bcrypt==4.0.1"],
    "devpi": ["devpi-server==6.20.3", "devpi-client==7.2.0", "setuptools<81"],
    "proxpi": ["proxpi==1.3.1", "gunicorn==23.0.0"],
}
"""Requirements of the virtualenvs."""


PASSWORD, TOKEN, DIRECTORY = "password", "token", "directory"
"""Ways to log in: the index's own password, a read-only token as onboarded machines have, the directory's password."""


@dataclass(frozen=True)
class Server:
    """One competitor."""

    name: str
    """In tables."""
    url: str
    """Scheme and address."""
    simple: str
    """Path of its simple index."""
    unit: str
    """Its systemd unit."""
    login: str = ""
    """What readers log in with: `PASSWORD`, `TOKEN` or `DIRECTORY`; nothing if empty."""
    json: bool = True
    """Whether it has JSON pages (PEP 691)."""
    page: str = "{project}/"
    """Path of a project's page below `simple`; {form} is json or html."""
    shelf: int | str = ""
    """The shelf it was started on; empty where it serves whichever is in place."""

    @property
    def index_url(self) -> str:
        """What pip and uv are given."""
        return f"{self.url}{self.simple}"

    @property
    def is_tls(self) -> bool:
        """Whether it speaks TLS."""
        return self.url.startswith("https:")

    def page_of(self, project: str, form: str) -> str:
        """Path of a project's page."""
        return self.simple + self.page.format(project=project, form=form)


def _nginx(name: str, url: str, *, login: str = "", plain: bool = False) -> Server:
    # Plain nginx is asked for the very file, which is the least that a web server can do.
    page = "{project}/index.{form}" if plain else "{project}/"
    return Server(name, url, "/simple/", "nginx.service", login=login, page=page)


OURS = _nginx("wheelhouse", "https://127.0.0.1", login=PASSWORD)
OURS_TOKEN = _nginx("wheelhouse, token", "https://127.0.0.1", login=TOKEN)
OURS_DIRECTORY = _nginx("wheelhouse, directory's password", "https://127.0.0.1", login=DIRECTORY)
OPEN = _nginx("wheelhouse, no login", "https://127.0.0.1:8444")
PLAIN = _nginx("plain nginx", "https://127.0.0.1:8443", plain=True)
OURS_HTTP = _nginx("wheelhouse, HTTP", "http://127.0.0.1:8445", login=PASSWORD)
PLAIN_HTTP = _nginx("plain nginx, HTTP", "http://127.0.0.1:8446", plain=True)
DEVPI = Server("devpi", "http://127.0.0.1:3141", "/root/bench/+simple/", "bench-devpi.service")
PROXPI = Server("proxpi", "http://127.0.0.1:5000", "/index/", "bench-proxpi.service")


_PORTS = itertools.count(9200)
"""Above those of the index host's own services, such as the exporter of its metrics."""


@cache
def pypiserver(backend: str, shelf: int | str, *, login: bool = False) -> Server:
    """pypiserver on one shelf; `backend` is simple-dir or cached-dir."""
    port = next(_PORTS)
    return Server(
        f"pypiserver {backend}{', login' if login else ''}",
        f"http://127.0.0.1:{port}",
        "/simple/",
        f"bench-pypiserver-{port}.service",
        login=PASSWORD if login else "",
        json=False,
        shelf=shelf,
    )


def install(host: Host) -> dict[str, str]:
    """Put the load generator and the others' virtualenvs on the host, through the company's proxy; versions by name."""
    host.shell(
        f"""
        export DEBIAN_FRONTEND=noninteractive
        apt-get install -qq -y --no-install-recommends wrk curl python3-venv >/dev/null
        set -a; . /etc/wheelhouse/proxy.env; set +a
        export PIP_CERT=$SSL_CERT_FILE PIP_DISABLE_PIP_VERSION_CHECK=1
        python3 -m venv {WORK}/uv
        {WORK}/uv/bin/pip install --quiet --require-hashes --only-binary :all: --requirement {WORK}/uv.txt
        {UV} venv --quiet --seed --python /usr/bin/python3 {WORK}/pip
        """,
        limit=400,
    )
    for name, requirements in PEERS.items():
        host.shell(
            f"""
            set -a; . /etc/wheelhouse/proxy.env; set +a
            {UV} venv --quiet --python /usr/bin/python3 {WORK}/{name}
            {UV} pip install --quiet --python {WORK}/{name}/bin/python {shlex.join(requirements)}
            """,
            limit=400,
        )
    return _versions(host)


def _versions(host: Host) -> dict[str, str]:
    found = {
        "nginx": host.shell("nginx -v 2>&1").strip().rpartition("/")[2],
        "wrk": host.shell("dpkg-query -W -f '${Version}' wrk").strip(),
        "Python": host.run("/usr/bin/python3", "--version").split()[1],
        "uv": host.run(UV, "--version").split()[1],
    }
    for environment, name in (("pip", "pip"), ("pypiserver", "pypiserver"), ("pypiserver", "gunicorn"),
                              ("devpi", "devpi-server"), ("proxpi", "proxpi")):  # fmt: skip
        listed = json.loads(
            host.run(UV, "pip", "list", "--quiet", "--format=json", "--python", f"{WORK}/{environment}/bin/python")
        )
        found[name] = next(entry["version"] for entry in listed if entry["name"] == name)
    return found


def variants(host: Host) -> None:
    """Give nginx the other servers that take part, derived from the site that the role wrote."""
    site = host.run("cat", SITE)
    ours = _main_server(site)
    tls = "\n".join(re.findall(r"^ *ssl_.*;$", ours, re.MULTILINE))
    root = re.search(r"^ *root .*;$", ours, re.MULTILINE)
    assert root, "the role's site has no root"
    without_tls = re.sub(r"^ *ssl_.*;\n", "", ours, flags=re.MULTILINE)
    # what holds for the whole server; a block that asks for a login itself keeps doing so
    without_login, logins = re.subn(r"^    access_by_lua_file .*;\n", "", ours, flags=re.MULTILINE)
    assert logins == 1, "the role's site takes no login, or takes it in another way"
    host.write(
        VARIANTS,
        "\n".join(
            [
                _listening(without_login, OPEN),
                _listening(without_tls, OURS_HTTP),
                _FORM_OF_A_PAGE,
                _plain(PLAIN, tls, root[0]),
                _plain(PLAIN_HTTP, "", root[0]),
            ]
        ),
    )
    host.shell("nginx -t -q && systemctl reload nginx && sleep 1")


def plain_beside(host: Host, server: Server) -> None:
    """Give the nginx of an index a plain server and nothing else, with the same certificate and files."""
    ours = _main_server(host.run("cat", SITE))
    tls = "\n".join(re.findall(r"^ *ssl_.*;$", ours, re.MULTILINE))
    root = re.search(r"^ *root .*;$", ours, re.MULTILINE)
    assert root, "the role's site has no root"
    host.write(VARIANTS, "\n".join([_FORM_OF_A_PAGE, _plain(server, tls, root[0])]))
    host.shell("nginx -t -q && systemctl reload nginx && sleep 1")


# What plain nginx makes of an `Accept`, for proxpi, which asks for a project rather than for one of its files.
_FORM_OF_A_PAGE = """
map $http_accept $bench_page {
    default html;
    ~application/vnd.pypi.simple.v1\\+json json;
}
"""


def _main_server(site: str) -> str:
    """The block of the role's site that serves the index."""
    blocks = [
        block for block in re.split(r"^(?=server \{)", site, flags=re.MULTILINE) if "ssl_certificate_key" in block
    ]
    assert len(blocks) == 1, "the role's site has not one server with TLS"
    return blocks[0]


def _listening(block: str, server: Server) -> str:
    """A server block, listening where `server` is."""
    block = re.sub(r"^ *listen .*;\n", "", block, flags=re.MULTILINE)
    return block.replace("server {", f"server {{\n    listen {_address(server)};", 1)


def _address(server: Server) -> str:
    return server.url.split("//")[1] + (" ssl" if server.is_tls else "")


def _plain(server: Server, tls: str, root: str) -> str:
    """The same files, looked at afresh each time, with no password to check and nothing written down: the least."""
    return f"""
server {{
    listen {_address(server)};
{tls}
{root}
    access_log off;
    open_file_cache max=4000 inactive=60s;
    open_file_cache_valid 0;
    sendfile on;
    tcp_nopush on;
    gzip_static on;
    keepalive_requests 10000;
    location /simple/ {{
        index index.$bench_page;
        types {{ application/vnd.pypi.simple.v1+json json; text/html html; }}
    }}
}}
"""


def start_pypiserver(host: Host, server: Server) -> None:
    """Start one of `pypiserver`, with the settings of its own image."""
    backend = server.name.split()[1].rstrip(",")
    access = "-a download,list,update -P /srv/wheelhouse/config/htpasswd" if server.login else "-a . -P ."
    port = server.url.rpartition(":")[2]
    _start(
        host,
        server,
        f"{WORK}/pypiserver/bin/pypi-server run --server gunicorn --backend {backend} --disable-fallback {access}"
        f" --interface 127.0.0.1 --port {port} {shelves.path(server.shelf)}/packages",
        "GUNICORN_CMD_ARGS=--preload --workers 1 --worker-class gevent",
    )


def start_proxpi(host: Host) -> None:
    """Start proxpi as its image does, with plain nginx as what it mirrors."""
    _start(
        host,
        PROXPI,
        f"{WORK}/proxpi/bin/gunicorn --preload --logger-class proxpi.server._GunicornLogger --bind 127.0.0.1:5000"
        " --threads 2 proxpi.server:app",
        f"PROXPI_INDEX_URL={PLAIN_HTTP.index_url}",
        f"PROXPI_CACHE_DIR={WORK}/proxpi-cache",
    )


def start_devpi(host: Host, *directories: str) -> None:
    """Start devpi-server with an index that holds the files below `directories`."""
    devpi = f"{WORK}/devpi/bin"
    data = f"{WORK}/devpi-data"
    host.run(f"{devpi}/devpi-init", "--no-root-pypi", "--serverdir", data, limit=60)
    _start(host, DEVPI, f"{devpi}/devpi-server --host 127.0.0.1 --port 3141 --serverdir {data}")
    # root has no password, as devpi-init leaves it, so there is no secret in what follows
    client = f"{devpi}/devpi"
    state = f"--clientdir {WORK}/devpi-client"
    host.shell(
        f"""
        {client} use {state} {DEVPI.url} >/dev/null
        {client} login {state} root --password= >/dev/null
        {client} index {state} -c bench bases= volatile=False >/dev/null
        {client} use {state} root/bench >/dev/null
        {client} upload {state} --from-dir {shlex.join(directories)} >/dev/null
        """,
        limit=300,
    )


def _start(host: Host, server: Server, command: str, *environment: str) -> None:
    port = server.url.rpartition(":")[2]
    if host.shell(f"ss -Hltn 'sport = :{port}'"):
        raise HostError(f"{server.name} cannot listen on port {port}: something else does.")
    settings = [f"--setenv={setting}" for setting in environment]
    host.run("systemd-run", "--quiet", f"--unit={server.unit}", "--collect", *settings, *shlex.split(command))
    # any answer will do; a pypiserver with a login answers 401
    host.shell(
        f"""
        for _ in $(seq {READY * 2}); do
            python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", sys.argv[1]), 1)' \
                {port} 2>/dev/null && exit 0
            systemctl is-active --quiet {server.unit} || break
            sleep 0.5
        done
        journalctl --no-pager -n 20 -u {server.unit}
        exit 1
        """,
        limit=READY * 3,
    )
