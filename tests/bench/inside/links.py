"""Print where the files on a project's page are: {file name: path on the server}. Runs on the index host.

links.py URL_OF_THE_PAGE NETRC      with the login that the file NETRC has for the server; /dev/null for none
"""

import base64
import json
import netrc
import sys
import urllib.request
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit


class Anchors(HTMLParser):
    """Collects the addresses that a page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.addresses += [value for name, value in attrs if name == "href" and value]


def main(url: str, netrc_file: str) -> None:
    """Fetch and print."""
    request = urllib.request.Request(url, headers={"Accept": "text/html"})
    if login := netrc.netrc(netrc_file).authenticators(urlsplit(url).hostname or ""):
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{login[0]}:{login[2]}".encode()).decode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    anchors = Anchors()
    with opener.open(request, timeout=60) as answer:
        anchors.feed(answer.read().decode())
    paths = [urlsplit(urljoin(url, address)).path for address in anchors.addresses]
    print(json.dumps({path.rpartition("/")[2]: path for path in paths}))


if __name__ == "__main__":
    main(*sys.argv[1:])
