"""Several people on one workstation: the tunnel and the login of each is for that person alone."""

from __future__ import annotations

import ipaddress
import json
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

import pytest
from company import eventually
from kernels import script

CONNECT = "import socket, sys; print(socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5).recv(5))"
# the same by the address as IPv6 has it
CONNECT_MAPPED = """
import socket, sys
connection = socket.socket(socket.AF_INET6)
connection.settimeout(5)
connection.connect(("::ffff:" + sys.argv[1], int(sys.argv[2])))
"""
# greets whoever connects to any of the machine's addresses, or to one
GREET = """
import socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((sys.argv[1], int(sys.argv[2])))
listener.listen()
print("listens", flush=True)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"hello")
    connection.close()
"""
# what the page says to a browser that comes with the token, and later without it, with or without a cookie
VISIT = """
import http.client, json, sys
netloc, path, cookie = sys.argv[1:]
page = http.client.HTTPConnection(netloc, timeout=30)
page.request("GET", path, headers={"Cookie": cookie} if cookie else {})
answer = page.getresponse()
print(json.dumps([answer.status, answer.headers.get_all("Set-Cookie") or []]))
"""
PORT = 5055


@pytest.fixture
def ada(office) -> str:
    """Where Ada's tunnel is, as the port and before it the address."""
    return urlsplit(office.succeed_as("ada", "jupyter-tunnel --no-browser").strip()).netloc


def test_a_colleague_does_not_reach_the_tunnel(office, ada) -> None:
    place = ada.split(":")
    visit = script(VISIT, ada, "/api", "")
    assert office.succeed_as("ada", visit).startswith("[200")
    for code in (CONNECT, CONNECT_MAPPED):
        refused = office.run_as("leo", script(code, *place))
        assert refused.rc != 0 and "No route to host" in refused.stderr, refused.stdout + refused.stderr


@pytest.mark.parametrize("where", ["own", "all"])
def test_a_colleague_cannot_answer_at_ones_address(office, ada, where: str) -> None:
    """Whatever port a page leads the browser to, and whether the tunnel is up or not: the login is handed to nobody else."""
    address = ada.split(":")[0]
    place = address if where == "own" else "0.0.0.0"
    office.succeed_as("leo", f"{script(GREET, place, str(PORT))} >greets 2>&1 & echo $! >greeter")
    try:
        eventually(lambda: "listens" in office.run_as("leo", "cat greets").stdout, "leo listens", seconds=20)
        if where == "all":
            # what they listen at is there, and what is not Ada's goes on as ever
            assert "hello" in office.succeed_as("ada", script(CONNECT, "127.0.0.1", str(PORT)))
        refused = office.run_as("ada", script(CONNECT, address, str(PORT)))
        assert refused.rc != 0 and "timed out" in refused.stderr, refused.stdout + refused.stderr
    finally:
        office.succeed_as("leo", "kill $(cat greeter); rm greeter greets")


def test_one_listens_at_ones_own_address_as_ever(office, ada) -> None:
    address = ada.split(":")[0]
    office.succeed_as("ada", f"{script(GREET, address, str(PORT))} >greets 2>&1 & echo $! >greeter")
    try:
        eventually(lambda: "listens" in office.run_as("ada", "cat greets").stdout, "ada listens", seconds=20)
        assert "hello" in office.succeed_as("ada", script(CONNECT, address, str(PORT)))
    finally:
        office.succeed_as("ada", "kill $(cat greeter); rm greeter greets")


def test_the_rules_come_back_with_those_of_the_machine(office, workstation, ada) -> None:
    """IT's own `nftables.service` empties all tables when it is started or reloaded."""
    workstation.check_output("systemctl restart wheelhouse-tunnels.service")
    address = ipaddress.ip_address(ada.split(":")[0])
    assert str(address) in workstation.check_output("nft list table inet wheelhouse_tunnels")
    unit = workstation.check_output(
        "systemctl show wheelhouse-tunnels.service -p PartOf -p ReloadPropagatedFrom -p UnitFileState"
    )
    assert unit.count("nftables.service") == 2 and "UnitFileState=enabled" in unit


def test_a_login_is_of_ones_own_name_and_lasts_a_day(office, ada) -> None:
    token = office.succeed_as("ada", "jupyter-tunnel --no-browser").strip().partition("token=")[2]
    for _ in range(2):  # with the token one is logged in anew, however long the login before would last
        status, cookies = json.loads(office.succeed_as("ada", script(VISIT, ada, f"/lab?token={token}", "")))
        mine = SimpleCookie()
        for line in cookies:
            mine.load(line)
        assert status == 200 and "jupyter-ada" in mine
    cookie = mine["jupyter-ada"]
    assert cookie["httponly"] and cookie["samesite"] == "Strict" and cookie["expires"]
    given = f"jupyter-ada={cookie.coded_value}"
    assert json.loads(office.succeed_as("ada", script(VISIT, ada, "/api/contents", given)))[0] == 200
    # the same value of two days ago: signed with the right key, and too old
    old = office.succeed_as(
        "ada", script(SIGN, token, "jupyter-ada", "172800", python="/opt/wheelhouse/jupyter/bin/python"), on="jupyter"
    ).strip()
    new = office.succeed_as(
        "ada", script(SIGN, token, "jupyter-ada", "60", python="/opt/wheelhouse/jupyter/bin/python"), on="jupyter"
    ).strip()
    assert json.loads(office.succeed_as("ada", script(VISIT, ada, "/api/contents", f"jupyter-ada={new}")))[0] == 200
    assert json.loads(office.succeed_as("ada", script(VISIT, ada, "/api/contents", f"jupyter-ada={old}")))[0] == 403


# a login as the server signs it, so many seconds ago
SIGN = """
import hashlib, json, sys, time
from tornado.web import create_signed_value
token, name, age = sys.argv[1:]
secret = hashlib.sha256(b"cookie " + token.encode()).digest()
user = json.dumps({"username": "a", "name": "a", "display_name": "a", "initials": "a", "color": None, "avatar_url": None})
print(create_signed_value(secret, name, user, clock=lambda: time.time() - int(age)).decode())
"""


def test_the_token_is_shown_only_to_who_asks_for_it(office) -> None:
    """Without a browser the address is told, and how to get the token."""
    said = office.run_as("ada", "env -u DISPLAY -u WAYLAND_DISPLAY -u BROWSER jupyter-tunnel")
    token = office.succeed_as("ada", "jupyter-tunnel --no-browser").strip().partition("token=")[2]
    assert said.rc == 0 and said.stdout == "" and "--no-browser" in said.stderr
    assert len(token) == 64 and token not in said.stderr


def test_a_browser_gets_the_token_by_a_file_of_ones_own(office, workstation) -> None:
    """A browser's arguments can be read by everybody."""
    office.succeed_as("ada", "printf '#!/bin/sh\\nprintf %s \"$1\" >~/opened\\n' >browse && chmod +x browse")
    try:
        said = office.run_as("ada", "BROWSER=$HOME/browse jupyter-tunnel")
        token = office.succeed_as("ada", "jupyter-tunnel --no-browser").strip().partition("token=")[2]
        opened = office.succeed_as("ada", "cat opened")
        assert opened.startswith("file://") and token not in opened + said.stdout + said.stderr
        file = workstation.file(opened.removeprefix("file://"))
        assert (file.user, file.mode) == ("ada", 0o600) and token in file.content_string
    finally:
        office.succeed_as("ada", "rm -f browse opened; jupyter-tunnel --stop")
    assert not workstation.file(opened.removeprefix("file://")).exists
