"""What a client gets for a project that has no page on the shelf.

A name that is on the shelf or reserved is never asked upstream, so that a public package of the same name cannot be
installed by mistake.
"""

from packaging.utils import InvalidName, canonicalize_name
from pypiserver.config import Config as PypiserverConfig

from wheelhouse.answers import Answer, Refusal
from wheelhouse.config import Settings
from wheelhouse.rights import covers
from wheelhouse.shelf import Shelf

PUBLIC_INDEX = PypiserverConfig.default_with_overrides().fallback_url
"""Where pypiserver sends clients unless told otherwise: the public index. Ends with a slash."""


def answer(shelf: Shelf, settings: Settings, rest: str) -> Answer:
    """What to answer to `GET /simple/<rest>` when there is no such page; raises `Refusal`."""
    name = rest.removesuffix("/")
    try:
        project = canonicalize_name(name, validate=True)
    except InvalidName as error:
        raise Refusal(404, f"{name[:100]!a} is not the name of a Python project.") from error
    if rest != f"{project}/":
        return Answer(301, headers={"Location": f"/simple/{project}/"})
    if covers(settings.reserved, project):
        raise Refusal(404, f"{project} is a name of this organisation's own, and nothing of it is published yet.")
    if shelf.has_project(project):
        raise Refusal(404, f"{project} has no files at present; {settings.ask}.")
    if settings.upstream == "redirect":
        return Answer(302, headers={"Location": f"{PUBLIC_INDEX}{project}/"})
    raise Refusal(404, f"{project} is not on {settings.index_url}; to have it let in, {settings.ask}.")
