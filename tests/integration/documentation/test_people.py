"""What people are shown, typed by ada, and by leo who may only install."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from company import Office, address_of, vault
from terminal import CTRL_C
from written import Desk, Login

VENV = "export VIRTUAL_ENV=$PWD/venv PATH=$PWD/venv/bin:$PATH"
OUTSIDE_PROJECT = (
    '[project]\nname = "from-outside"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["idna"]\n'
)
PROJECT = (
    '[project]\nname = "acme-{0}"\nversion = "{1}"\nrequires-python = ">=3.11"\n'
    '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
)


def password_of(name: str) -> list[tuple[str, str]]:
    """What wheelhouse-token asks for."""
    return [(f"Password of {name} at packages.acme.example: ", vault()[f"{name}_index"])]


def write(login: Login, path: str, text: str) -> None:
    assert login.run(f"mkdir -p $(dirname {path}) && cat >{path}", text=text).code == 0


@pytest.fixture(scope="module")
def venv(ada: Login) -> str:
    """A directory of ada's with a virtualenv in it."""
    ada.succeed("rm -rf documented/pip && mkdir documented/pip")
    ada.as_written("python3 -m venv venv && venv/bin/pip install idna", "documented/pip")
    return "documented/pip"


@pytest.fixture(scope="module")
def released(ada: Login, root_of: dict[str, Login]) -> Login:
    """ada, who has published acme-hello."""
    # from a run before; the same bytes may come back, others may not
    ada.succeed("rm -rf documented/hello && mkdir documented/hello")
    ada.as_written(
        "uv init --lib acme-hello && cd acme-hello && uv build && wheelhouse-token publish acme-hello -- uv publish",
        "documented/hello",
        answers=password_of("ada"),
    )
    return ada


@pytest.fixture(scope="module")
def library(ada: Login) -> str:
    """A project of ada's that is built, in a version of its own."""
    version = ada.succeed("date +1.%s").strip()
    write(ada, "documented/library/pyproject.toml", PROJECT.format("library", version))
    write(ada, "documented/library/src/acme_library/__init__.py", "")
    ada.succeed("rm -rf dist && uv build --quiet", "documented/library")
    return version


def test_a_shell_on_her_workstation(demo_desk: Desk, ada: Login) -> None:
    said = demo_desk.as_written(
        "docker exec -it wheelhouse-workstation su - ada", answers=[("$ ", "echo I am $(id -un)"), ("I am ada", "exit")]
    )
    assert "I am ada" in said.text


def test_pip_takes_what_is_public(ada: Login, venv: str) -> None:
    assert "idna" in ada.succeed("venv/bin/pip list", venv)


def test_pip_takes_the_release_that_it_has_let_in(ada: Login, venv: str) -> None:
    assert "networkx-1.10" in ada.as_written("venv/bin/pip install networkx", venv).text


def test_pip_shows_whom_to_ask_where_it_is_asked_to(ada: Login, venv: str) -> None:
    said = ada.as_written("pip -vv install acme-of-nobody", f"{venv} && {VENV}", code=1)
    assert "acme-of-nobody is a name of this organisation's own" in said.words


def test_uv_takes_what_is_public(ada: Login) -> None:
    ada.succeed("mkdir documented/uv")
    ada.as_written("uv venv && uv pip install idna", "documented/uv")
    ada.as_written("uv venv --seed seeded", "documented/uv")
    ada.succeed("echo idna >requirements.in", "documented/uv")
    said = ada.as_written("uv pip compile --generate-hashes requirements.in", "documented/uv")
    assert "--hash=sha256:" in said.text


def test_uv_publishes_and_a_colleague_installs(released: Login, leo: Login) -> None:
    leo.succeed("uv venv --quiet there && uv pip install --no-cache --python there acme-hello", "documented")
    leo.succeed("there/bin/python -c 'import acme_hello'", "documented")


def test_who_may_not_publish_is_told_whom_to_ask(leo: Login) -> None:
    said = leo.as_written(
        "uv init --lib acme-hello && cd acme-hello && uv build && wheelhouse-token publish acme-hello -- uv publish",
        "documented",
        code=1,
        answers=password_of("leo"),
    )
    assert "The token cannot publish acme-hello: leo may publish nothing." in said.words


@pytest.fixture
def published_port() -> Iterator[None]:
    """localhost:8855 leads to the index, as the demo's does."""
    try:
        listener = socket.create_server(("127.0.0.1", 8855))
    except OSError:
        pytest.skip("somebody else is at port 8855: a demo that runs here")
    index = address_of("index")

    def pump(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection((index, 443))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield
    listener.close()


@pytest.fixture
def released_for_every_python(released: Login) -> None:
    """A release for the Python of the machine that runs the tests, where `uv init` on the workstation requires a newer one."""
    write(released, "documented/earlier/pyproject.toml", PROJECT.format("hello", "0.0.1"))
    write(released, "documented/earlier/src/acme_hello/__init__.py", "")
    released.succeed("rm -rf dist && uv build --quiet --wheel", "documented/earlier")
    publish = "wheelhouse-token publish acme-hello -- uv publish --quiet"
    assert released.run(publish, "documented/earlier", answers=password_of("ada")).code == 0


@pytest.mark.usefixtures("released_for_every_python")
def test_pip_on_ones_own_machine(demo_desk: Desk, published_port: None) -> None:
    answers = [("User for localhost:8855: ", "ada"), ("Password: ", vault()["ada_index"])]
    demo_desk.as_written(
        "REQUESTS_CA_BUNDLE=.demo/ca.pem .venv/bin/pip download --no-deps --index-url https://localhost:8855/simple/ acme-hello",
        answers=answers,
    )
    assert list(demo_desk.directory.glob("acme_hello-*.whl"))


def test_the_proxy_writes_down_who_it_lets_through(demo_desk: Desk, ada: Login, venv: str) -> None:
    ada.succeed("venv/bin/pip download --no-cache-dir --no-deps idna", venv)
    said = demo_desk.as_written(
        "docker exec wheelhouse-proxy tail -f /var/log/squid/access.log", code=None, answers=[("EMEA\\\\ada", CTRL_C)]
    )
    assert "EMEA\\\\ada" in said.text


def test_conda_takes_what_it_has_let_in(ada: Login) -> None:
    ada.succeed("rm -rf .conda/envs/orange")
    said = ada.as_written("conda create -y -n orange orange3 && conda list -n orange")
    assert re.search(r"orange3 +3\.29\.3 ", said.text)


def test_every_tool_publishes(ada: Login, root_of: dict[str, Login], library: str) -> None:
    password = vault()["ada_index"]
    said = ada.as_written("twine upload dist/*", "documented/library", answers=[("Enter your password: ", password)])
    assert password not in said.text
    ada.succeed(
        f"sed -i 's/{library}/{library}.1/' pyproject.toml && rm -rf dist && uv build --quiet", "documented/library"
    )
    ada.as_written(
        "wheelhouse-token publish acme-library -- poetry publish", "documented/library", answers=password_of("ada")
    )
    ada.succeed(
        f"sed -i 's/{library}.1/{library}.2/' pyproject.toml && rm -rf dist && uv build --quiet", "documented/library"
    )
    login = [("Enter username", "ada"), ("Enter password: ", password)]  # once the token in ~/.netrc was refused
    said = ada.as_written("uv publish", "documented/library", answers=login)
    assert password not in said.text
    ada.succeed(
        f"sed -i 's/{library}.2/{library}.3/' pyproject.toml && rm -rf dist && uv build --quiet", "documented/library"
    )
    ada.as_written(
        "wheelhouse-token publish acme-library --for 10m -- uv publish",
        "documented/library",
        answers=password_of("ada"),
    )
    released = root_of["index"].succeed("ls /srv/wheelhouse/shelf/packages/acme-library")
    for version in (library, f"{library}.1", f"{library}.2", f"{library}.3"):
        assert f"acme_library-{version}-" in released


def test_tokens(ada: Login, root_of: dict[str, Login]) -> None:
    token = {"NAME": f"documented-{time.time()}"}
    rights, account = token | {"PATTERN": "acme-*"}, {"ACCOUNT": "ada"}
    password, today = password_of("ada"), {"DAY": time.strftime("%Y-%m-%d")}
    ada.as_written("wheelhouse-token create NAME --publish PATTERN --until DAY", real=rights | today, answers=password)
    listed = ada.as_written("wheelhouse-token list", answers=password).text
    assert f"{token['NAME']}: installs, publishes acme-*, until " in listed
    assert token["NAME"] in ada.as_written("wheelhouse-token revoke NAME", real=token, answers=password).text
    index = root_of["index"]
    index.as_written(
        "docker exec wheelhouse-index wheelhouse token create ACCOUNT NAME --publish PATTERN --for 90d",
        real=rights | account,
    )
    listed = index.as_written("docker exec wheelhouse-index wheelhouse token list ACCOUNT", real=account).text
    (identity,) = re.findall(f"^([a-z2-7]+)  ada  {token['NAME']}: ", listed, re.MULTILINE)
    ended = index.as_written("docker exec wheelhouse-index wheelhouse token revoke ID", real={"ID": identity}).text
    assert token["NAME"] in ended


def test_pipx_installs_and_upgrades(ada: Login) -> None:
    ada.succeed("pipx uninstall cowsay || true")
    ada.as_written("pipx install cowsay")
    ada.as_written("pipx upgrade cowsay")


def test_poetry_and_pdm_of_ones_own(ada: Login) -> None:
    write(ada, "documented/poetry/pyproject.toml", OUTSIDE_PROJECT + "[tool.poetry]\npackage-mode = false\n")
    tools = "export UV_TOOL_DIR=~/documented/tools UV_TOOL_BIN_DIR=~/documented/bin PATH=~/documented/bin:$PATH"
    ada.as_written("uv tool install poetry", f"documented/poetry && {tools}")
    ada.as_written(
        "poetry source add --priority=primary company https://packages.acme.example/simple/",
        f"documented/poetry && {tools}",
    )
    ada.succeed("~/documented/bin/poetry lock --no-interaction", "documented/poetry")
    assert "packages.acme.example" in ada.succeed("cat poetry.lock", "documented/poetry")
    ada.succeed(f"{tools} && uv tool install --quiet pdm")
    ada.as_written("pdm config pypi.url https://packages.acme.example/simple/", f"documented && {tools}")
    assert "packages.acme.example" in ada.succeed("~/documented/bin/pdm config pypi.url")
    ada.succeed("~/documented/bin/pdm config --delete pypi.url; rm -rf documented/tools documented/bin")


def test_a_lock_from_outside(ada: Login) -> None:
    where = "documented/from-outside"
    write(ada, f"{where}/pyproject.toml", OUTSIDE_PROJECT)
    ada.succeed("uv lock --no-config", where)
    outside = ada.succeed("cat uv.lock", where)
    assert "packages.acme.example" not in outside
    assert "needs to be updated" in ada.as_written("uv sync --locked", where, code=None).words
    ada.as_written("uv sync --frozen", where)
    assert ada.succeed("cat uv.lock", where) == outside
    ada.as_written("uv lock", where)
    assert "packages.acme.example" in ada.succeed("cat uv.lock", where)
    ada.as_written("uv sync", where)


def test_audits(ada: Login, root_of: dict[str, Login]) -> None:
    """The index knows of what demo/osv has in it; both tools ask it, and ada's logins are those of installing."""
    ada.succeed("rm -rf documented/audited && mkdir documented/audited")
    write(ada, "documented/audited/pyproject.toml", OUTSIDE_PROJECT)
    write(ada, "documented/audited/requirements.txt", "idna\n")
    ada.as_written(
        "uv audit --preview-features audit-command --service-url https://packages.acme.example/osv/",
        "documented/audited",
    )
    said = ada.as_written("uvx pip-audit --strict -r requirements.txt", "documented/audited")
    assert "No known vulnerabilities found" in said.text
    # not to be had here, so that nothing is resolved
    write(ada, "documented/audited/vulnerable.txt", "sqlparse==0.4.3\n")
    said = ada.as_written(
        "env -u PIP_AUDIT_OSV_URL uvx pip-audit --strict --no-deps --disable-pip -r vulnerable.txt"
        " --vulnerability-service osv --osv-url https://packages.acme.example/osv/v1/query",
        "documented/audited",
        code=1,
    )
    # by which of its names, depends on the release of pip-audit
    assert re.search(r"^sqlparse 0\.4\.3 +(GHSA-rrm6-wvj7-cwh2|CVE-2023-30608) +0\.4\.4", said.text, re.MULTILINE)
    asked = root_of["index"].succeed("grep -c '\"POST /osv/v1/query' /var/log/nginx/access.log")
    assert int(asked) >= 3


def test_pip_search(ada: Login, released: Login, venv: str) -> None:
    said = ada.as_written("pip search NAME", f"{venv} && {VENV}", real={"NAME": "acme-hello"})
    assert "acme-hello" in said.text


def test_the_doctor_finds_nothing(ada: Login) -> None:
    # what a busy machine is too slow for is a warning
    assert "FAIL" not in ada.as_written("wheelhouse-doctor").text
    ada.as_written("corporate-env wheelhouse-doctor")


def test_a_command_with_the_proxys_variables(ada: Login, root_of: dict[str, Login]) -> None:
    said = ada.as_written("corporate-env COMMAND", "/ && unset HTTPS_PROXY", real={"COMMAND": "env"})
    assert "HTTPS_PROXY=http://EMEA" in said.text
    said = ada.as_written("ssh HOST COMMAND", real={"HOST": "wheelhouse-jupyter", "COMMAND": "env"})
    assert "HTTPS_PROXY=http://EMEA" in said.text
    root_of["workstation"].succeed(
        "command -v fish || corporate-env apt-get install -qq -y --no-install-recommends fish >/dev/null"
    )
    said = ada.as_written("corporate-env fish", text="echo is $HTTPS_PROXY\n")
    assert "is http://EMEA" in said.text


def test_passwords_in_uvs_own_store(ada: Login) -> None:
    ada.as_written("uv auth login lab.acme.example --username ada --password of-another-index")
    ada.succeed("uv auth logout lab.acme.example --username ada")


def test_pip_as_root(ada: Login, root_of: dict[str, Login]) -> None:
    """Where somebody has made `sudo` and Debian's pip, root has the index and the machine's account as well."""
    root = root_of["workstation"]
    rule = "/etc/sudoers.d/documented"
    root.succeed("corporate-env apt-get install -qq -y --no-install-recommends sudo python3-pip >/dev/null")
    root.succeed(f"echo 'ada ALL=(ALL) NOPASSWD: ALL' >{rule}")
    try:
        said = ada.as_written("sudo pip download --no-cache-dir --no-deps --dest /run/pip acme-hello")
    finally:
        root.succeed(f"rm -rf {rule} /run/pip")
    assert "https://packages.acme.example/" in said.text


def test_jupyter_is_one_command_away(ada: Login, office: Office) -> None:
    ada.run("jupyter-tunnel --stop")
    # there is no browser on the workstation, which it says
    assert "JupyterLab is at" in ada.as_written("jupyter-tunnel").text
    assert "token=" in ada.as_written("jupyter-tunnel --no-browser").text
    assert "answers" in ada.as_written("jupyter-tunnel --status").text
    ada.as_written("jupyter-tunnel --stop")
    ada.as_written("jupyter-tunnel --status", code=3)
    ada.as_written("jupyter-tunnel --help")
    on_the_host = Login(office.access["hosts"]["jupyter"], "ada")
    assert "active" in on_the_host.as_written("jupyter-status").text
