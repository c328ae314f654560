"""The pages that people look at: the front page, the search, and a page for each project.

Everything on them comes from the catalogue and the settings, through templates that escape it.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.resources import files
from math import ceil
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from werkzeug.wrappers import Request, Response

from wheelhouse.config import Config, Settings
from wheelhouse.errors import NotFound
from wheelhouse.formats import attestation
from wheelhouse.index import downloads, project_status, provenance, queries
from wheelhouse.index.events import instant
from wheelhouse.index.permissions import normalised
from wheelhouse.index.search import MAX_QUERY, Catalogue, terms
from wheelhouse.index.transaction import Index
from wheelhouse.web import project_page
from wheelhouse.web.logins import Logins
from wheelhouse.web.project_page import Descriptions
from wheelhouse.web.responses import redirect
from wheelhouse.web.upstream_routes import Whereabouts, whereabouts

LATEST = 20
"""Publications on the front page."""
RESULTS = 30
"""Results on a page of a search."""
NEAR = 5
"""Names shown to somebody who may have mistyped one."""
MAX_RELEASES = 100
"""Releases on a project's page; the index page has all."""
HTML = "text/html; charset=utf-8"
HEADERS = {
    # A page is put together for each request, and a publication shows at once.
    "Cache-Control": "no-cache",
    # Whatever got into a page in spite of the templates could neither run nor load anything.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # The names of internal projects are nobody else's business.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


class Pages:
    """Answers GET requests with pages."""

    def __init__(self, config: Config, index: Index, logins: Logins) -> None:
        self._config = config
        self._logins = logins
        self._index = index
        self._assets = _assets()
        self._templates = _templates(self._assets)
        self._descriptions = Descriptions(index.store)

    def home(self, request: Request) -> Response:
        """The front page."""
        catalogue = Catalogue(self._index.database, self._logins.reader(request))
        projects, files_ = catalogue.counts()
        return self._page("home.html", projects=projects, files=files_, latest=catalogue.latest(LATEST))

    def search(self, request: Request) -> Response:
        """`/search?q=WORDS&page=N`: projects that have the words; all of them without words."""
        query = " ".join(request.args.get("q", "")[:MAX_QUERY].split())
        page = _number(request.args.get("page", "1"))
        start = (page - 1) * RESULTS
        found = Catalogue(self._index.database, self._logins.reader(request)).search(query, start, RESULTS)
        pages = max(1, ceil(found.total / RESULTS))
        if page > pages:
            return redirect(f"/search?{urlencode({'q': query, 'page': pages})}", HTTPStatus.FOUND)
        name = normalised("-".join(terms(query)))
        return self._page(
            "search.html",
            query=query,
            found=found,
            start=start,
            page=page,
            pages=pages,
            name=name,
            elsewhere=self._elsewhere(name) if name else None,
        )

    def project(self, request: Request, name: str) -> Response:
        """`/projects/<name>/`; another spelling is sent to the normal one."""
        asked, name_ = name, normalised(name.removesuffix("/"))
        if name_ is None:
            return self._page("missing.html", HTTPStatus.NOT_FOUND, name=None, elsewhere=None, near=[])
        if asked != f"{name_}/":
            return redirect(f"/projects/{name_}/", HTTPStatus.MOVED_PERMANENTLY)
        reader = self._logins.reader(request)
        database = self._index.database
        project = project_page.load(database, name_, MAX_RELEASES) if reader.may_read(name_) else None
        if project is None:
            near = Catalogue(database, reader).near(name_, NEAR)
            elsewhere = self._elsewhere(name_)
            return self._page("missing.html", HTTPStatus.NOT_FOUND, name=name_, elsewhere=elsewhere, near=near)
        settings = self._config.current()
        description = self._descriptions.of(project.best)
        with self._index.database.read() as connection:
            fetched = downloads.of_project(connection, name_)
            jobs = queries.jobs(connection, name_)
            standing = project_status.find(connection, name_)
            attested = provenance.documents(connection, name_, [file.file for file in project.attested])
        return self._page(
            "project.html",
            project=project,
            description=description,
            requirements=project_page.by_extra(description.requires) if description else {},
            commands=project_page.install_commands(name_, settings, is_prerelease=project.is_prerelease),
            may_publish=project_page.publishers(name_, settings),
            downloads=fetched,
            jobs=jobs,
            standing=standing,
            attested={name: attestation.makers(document) for name, document in attested.items()},
        )

    def published(self, _: Request, path: str) -> Response:
        """`/project/<name>/<version>/` and the like, which hatch and others print when they have published."""
        return self._lead_to(path.split("/", maxsplit=1)[0])

    def named(self, request: Request, name: str) -> Response:
        """`/<name>`, which is what flit prints; raises `NotFound` if there is no such project."""
        project = normalised(name)
        if project is None or not (self._logins.reader(request).may_read(project) and self._is_published(project)):
            raise NotFound("There is no such page on this index.")
        return self._lead_to(project)

    def _is_published(self, project: str) -> bool:
        with self._index.database.read() as connection:
            return queries.is_published(connection, project)

    def _lead_to(self, text: str) -> Response:
        name = normalised(text)
        if name is None:
            return self._page("missing.html", HTTPStatus.NOT_FOUND, name=None, elsewhere=None, near=[])
        return redirect(f"/projects/{name}/", HTTPStatus.FOUND)

    def asset(self, _: Request, name: str) -> Response:
        """A style or script, which never changes under its name; raises `NotFound`."""
        for hashed, content in self._assets.values():
            if name == hashed:
                headers = {"Cache-Control": "max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
                return Response(content, headers=headers, content_type=_TYPES[name.rpartition(".")[2]])
        raise NotFound("There is no such file on this index.")

    def _page(self, template: str, status: int = HTTPStatus.OK, **shown: Any) -> Response:
        return self.render(template, status, HEADERS, **shown)

    def render(self, template: str, status: int, headers: Mapping[str, str], **shown: Any) -> Response:
        """A page of this index."""
        settings = self._config.current()
        address = urlsplit(settings.index_url)
        text = self._templates.get_template(template).render(
            settings=settings,
            host=address.netloc,
            hostname=address.hostname,
            contact_url=_contact_url(settings),
            has_reports=self._index.site.reports.is_dir(),
            **shown,
        )
        return Response(text, status, headers, content_type=HTML)

    def _elsewhere(self, name: str) -> Whereabouts:
        """What happens to an installer that asks for a name that is not on the shelf: see `elsewhere` in parts.html."""
        return whereabouts(name, self._config.current(), self._index)


def render_static(template: str, settings: Settings, **shown: Any) -> str:
    """A page that is kept as a file: it finds styles and scripts beside itself, see `static_assets`."""
    templates = _templates({})
    templates.globals["asset"] = lambda name: name
    address = urlsplit(settings.index_url)
    return templates.get_template(template).render(
        settings=settings,
        host=address.netloc,
        hostname=address.hostname,
        contact_url=_contact_url(settings),
        has_reports=True,
        **shown,
    )


def static_assets() -> dict[str, bytes]:
    """File name -> contents."""
    return {name: content for name, (_, content) in _assets().items()}


def _templates(assets: Mapping[str, tuple[str, bytes]]) -> Environment:
    templates = Environment(
        loader=PackageLoader("wheelhouse.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.globals["asset"] = lambda name: f"/assets/{assets[name][0]}"
    templates.filters |= {
        "day": _day,
        "size": _size,
        "instant": _instant,
        "path": quote,
        "at": instant,
        "thousands": "{:,}".format,
        "came_from": project_page.came_from,
        "job_of": project_page.job_of,
        "path_of": lambda url: urlsplit(url).path,
        "safe_html": Markup,  # only of what `formats.description` rendered
    }
    return templates


def _assets() -> dict[str, tuple[str, bytes]]:
    """File name -> (name with a hash of the contents, contents)."""
    found: dict[str, tuple[str, bytes]] = {}
    for file in (files("wheelhouse.web") / "assets").iterdir():
        stem, _, suffix = file.name.rpartition(".")
        if suffix in _TYPES:
            content = file.read_bytes()
            found[file.name] = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}", content
    return found


def _number(text: str) -> int:
    """The number of a page, the first if it is none."""
    return max(1, int(text)) if re.fullmatch(r"[0-9]{1,6}", text) else 1


def _contact_url(settings: Settings) -> str | None:
    """The contact as an address that can be clicked on, if it is one."""
    contact = settings.contact or ""
    if re.fullmatch(r"[\w.+-]+@[\w.-]+", contact):
        return f"mailto:{contact}"
    return contact if re.fullmatch(r"https?://\S+", contact) else None


def _day(at: datetime | float) -> str:
    """`7 Mar 2026`."""
    at = _aware(at)
    return f"{at.day} {at:%b %Y}"


def _instant(at: datetime | float) -> str:
    """`2026-03-07T09:30:00Z`."""
    return f"{_aware(at):%Y-%m-%dT%H:%M:%SZ}"


def _aware(at: datetime | float) -> datetime:
    return at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)


def _size(size: int) -> str:
    """`12.3 kB`."""
    if size < 1000:
        return f"{size} bytes"
    amount = float(size)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.95 or unit == "GB":
            break
    return f"{amount:.1f} {unit}"
