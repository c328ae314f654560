"""What lies in people's files: their tools install with it, and whatever they run can read it, and cannot publish."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator

import pytest
from company import Office, eventually, site, vault
from gateway import PAGE, Gateway
from index.samples import Wheel
from terminal import at_a_terminal
from testinfra.host import Host

pytestmark = pytest.mark.usefixtures("as_in_the_inventory")

HOSTS = ("workstation", "jupyter")
# Run by ada, as a malicious sdist would be: prints what looks like a secret in all that she can read, with the place where it is.
COLLECT = r"""
import base64, glob, json, os, re, stat
TOKEN = re.compile(r"whl_[a-z2-7]{47}")
IN_URL = re.compile(r"://[^\s/:@'\"]{1,100}:([^\s/@'\"]{4,200})@")
BASIC = re.compile(r"Basic ([A-Za-z0-9+/]{8,400}=*)")
NAMED = re.compile(r"(?i)(?:password|passwd|passphrase|secret|token|credential)s?[\"']?(?:\s*[:=]\s*|\s+)[\"']?([^\s\"',;]{6,200})")
found = {}

def keep(secret, path):
    found.setdefault(secret, path)

def search(path, text, code):
    for one in TOKEN.findall(text):
        keep(one, path)
    for one in IN_URL.findall(text):
        keep(one, path)
        keep(re.sub("%(..)", lambda two: chr(int(two[1], 16)), one) if re.fullmatch("([^%]|%[0-9A-Fa-f]{2})*", one) else one, path)
    for one in BASIC.findall(text):
        try:
            keep(base64.b64decode(one).decode().partition(":")[2], path)
        except ValueError:
            pass
    if not code:
        for one in NAMED.findall(text):
            keep(one, path)

for top in (os.path.expanduser("~"), "/etc", "/run/user", "/tmp", "/var/tmp"):
    for directory, names, files in os.walk(top):
        for name in files:
            path = os.path.join(directory, name)
            try:
                kind = os.lstat(path)
                if stat.S_ISREG(kind.st_mode) and kind.st_size <= 2**20 and os.access(path, os.R_OK):
                    with open(path, errors="replace") as stream:
                        text = stream.read()
                    # what programs are made of has these words everywhere; only what nobody else can read may hold a secret there
                    is_code = bool(kind.st_mode & stat.S_IROTH) and not path.startswith("/etc/wheelhouse")
                    search(path, text, is_code)
            except OSError:
                pass
for path in glob.glob("/proc/[0-9]*/environ"):
    try:
        search(path, open(path, errors="replace").read().replace("\0", "\n"), False)
    except OSError:
        pass
print(json.dumps(found))
"""


def collected(office: Office, name: str, role: str) -> dict[str, str]:
    """What somebody's programs can read on a host that looks like a secret, and where."""
    found: dict[str, str] = json.loads(office.succeed_as(name, f"python3 -c {shlex.quote(COLLECT)}", role))
    return found


def stored(office: Office, name: str, role: str) -> str:
    """The password in somebody's ~/.netrc, as Python's tools read it."""
    ask = f"import netrc; print(netrc.netrc().authenticators('{office.index_url.partition('://')[2]}')[2])"
    return office.succeed_as(name, f'python3 -c "{ask}"', role).strip()


@pytest.mark.parametrize("role", HOSTS)
def test_what_adas_programs_can_read_cannot_publish(office: Office, gateway: Gateway, version: str, role: str) -> None:
    secrets = collected(office, "ada", role)
    token = stored(office, "ada", role)
    assert token in secrets, "it does not find what is in ~/.netrc"
    assert vault()["ada_proxy"] in secrets, "it does not find what is in a URL"
    assert office.person("ada").index_password not in json.dumps(secrets)
    assert len(secrets) < 60, sorted(set(secrets.values()))
    wheel = Wheel("acme_stolen", f"{version}.{int(time.time())}")
    content, accepted, end = wheel.build(), {}, time.monotonic() + 300
    for secret, path in secrets.items():
        for user in ("ada", "__token__") if secret.startswith("whl_") else ("ada",):
            answer = gateway.upload(wheel.filename, content, (user, secret))
            while answer.status == 429 and time.monotonic() < end:  # so many wrong passwords are slowed down
                time.sleep(5)
                answer = gateway.upload(wheel.filename, content, (user, secret))
            if answer.status not in (401, 403):
                accepted[path] = answer.status
    assert accepted == {}
    assert gateway.ask("/simple/acme-stolen/").status == 404
    # nor make what could
    for path in ("/api/tokens", "/account/tokens"):
        assert gateway.ask(path, login=("ada", token)).status == 403


@pytest.mark.usefixtures("wheel")
@pytest.mark.parametrize("role", HOSTS)
@pytest.mark.parametrize("name", ["ada", "leo"])
def test_their_tools_install_with_it(office: Office, gateway: Gateway, name: str, role: str) -> None:
    token = stored(office, name, role)
    assert gateway.ask(PAGE, login=(name, token)).status == 200
    assert gateway.ask("/api/tokens/current", login=(name, token)).json["token"]["machine"] == f"wheelhouse-{role}"
    office.succeed_as(name, "uv pip install -q --no-cache --target installed acme-gateway && rm -r installed", role)


def test_each_person_has_another_token_on_each_machine(office: Office) -> None:
    tokens = {stored(office, name, role) for name in ("ada", "leo") for role in HOSTS}
    assert len(tokens) == 4


@pytest.fixture
def wheelhouse(index: Host) -> Callable[..., str]:
    """Run the program's commands on the index host."""
    return lambda *words: index.check_output(f"docker exec wheelhouse-index wheelhouse {shlex.join(words)}")


@pytest.fixture
def set_up_again() -> Iterator[None]:
    yield
    site(playbook="people")


@pytest.mark.long
@pytest.mark.usefixtures("wheel", "set_up_again")
def test_a_run_without_the_index_host_replaces_what_was_revoked(
    office: Office, gateway: Gateway, wheelhouse: Callable[..., str]
) -> None:
    """`--limit`; the index host is asked all the same. What another machine has stays as it is."""
    old, others = stored(office, "ada", "workstation"), stored(office, "ada", "jupyter")
    wheelhouse("token", "revoke", old[4:12])
    eventually(lambda: gateway.ask(PAGE, login=("ada", old)).status == 401, "the token is refused", 5)
    site("--limit", "workstations", playbook="people")
    new = stored(office, "ada", "workstation")
    assert new != old and gateway.ask(PAGE, login=("ada", new)).status == 200
    assert stored(office, "ada", "jupyter") == others and gateway.ask(PAGE, login=("ada", others)).status == 200
    assert site("--limit", "workstations", playbook="people").changed == 0
    listed = wheelhouse("token", "list", "ada")
    assert listed.count("wheelhouse-workstation: installs, without an end") == 1


@pytest.mark.long
@pytest.mark.usefixtures("set_up_again")
def test_with_the_setting_the_password_is_stored_and_publishes(office: Office, version: str) -> None:
    site("--limit", "workstations", "-e", '{"wheelhouse_store_index_passwords": true}', playbook="people")
    assert stored(office, "ada", "workstation") == office.person("ada").index_password
    wheel = Wheel("acme_stored", f"{version}.{int(time.time())}")
    here = f"/tmp/{wheel.filename}"
    office.succeed_as(
        "ada",
        f'python3 -c \'import sys; open("{here}", "wb").write(bytes.fromhex(sys.argv[1]))\' {wheel.build().hex()}',
    )
    office.succeed_as("ada", f"uv publish -q {here} && rm {here}")


def test_one_command_publishes_and_asks_for_the_password(office: Office, gateway: Gateway, version: str) -> None:
    """`wheelhouse-token publish`, at a terminal; the password is shown nowhere, and the token ends with the command."""
    wheel, password = Wheel("acme_hello", f"{version}.{int(time.time())}"), office.person("ada").index_password
    here = f"/tmp/{wheel.filename}"
    office.succeed_as(
        "ada",
        f'python3 -c \'import sys; open("{here}", "wb").write(bytes.fromhex(sys.argv[1]))\' {wheel.build().hex()}',
    )
    container = office.access["hosts"]["workstation"]
    command = f"wheelhouse-token publish acme-hello --for 10m -- uv publish {here} && rm {here}"
    said = at_a_terminal(
        ["docker", "exec", "-it", container, "su", "-", "ada", "-c", command],
        answers=[("Password of ada at packages.acme.example: ", password)],
    )
    assert said.code == 0, said.text
    assert password not in said.text and wheel.filename in json.dumps(gateway.page("acme-hello"))
