"""Who sends a request: an account with its password, or with one of its tokens; or a CI job with a token of its own."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from werkzeug.wrappers import Request

from wheelhouse.config import Config, Settings
from wheelhouse.errors import Busy, Unreachable
from wheelhouse.index import permissions
from wheelhouse.index.permissions import covers
from wheelhouse.index.readers import Reader
from wheelhouse.index.tokens import ANY_OWNER, Token, Tokens, is_token
from wheelhouse.ldap_directory.accounts import Accounts, Person, TooManyTries
from wheelhouse.web.responses import HTTPError

TOKENS_PATH = "/account/tokens"
"""Where people find their tokens."""
GATEWAY_LOGIN = "X-Wheelhouse-Login"
"""Whose login the gateway has let in: a user, or `:ID` of a token. What a client sends in it never gets here."""
WRONG_TOKEN = "This token has ended, was revoked, or is not complete: make another one"


@dataclass(frozen=True)
class Login:
    """An account, and the token that was used in the place of its password; or a CI job, which has no account."""

    user: str
    token: Token | None = None
    person: Person | None = None
    """Where the account is in the company's directory: what its groups may. None for other accounts."""

    def of_owner(self, settings: Settings) -> Sequence[str]:
        """The patterns that the account, or the job, may publish at the moment."""
        if self.token and self.token.job:
            mine = (one for one in settings.publishers if one.id in self.token.publishers)
            return [pattern for one in mine for pattern in one.publishes]
        return self.person.publishes if self.person else settings.publishes.get(self.user, ())

    def reads(self, settings: Settings) -> tuple[str, ...]:
        """The patterns of restricted projects that the account may read at the moment. A job reads none."""
        if self.token and self.token.job:
            return ()
        return self.person.reads if self.person else settings.read_rights.reads.get(self.user, ())

    def why_nothing(self, settings: Settings) -> str | None:
        """The sentence for a login that may publish nothing at all; None if it may publish something."""
        if not self.of_owner(settings):
            return permissions.nothing(self.user, settings.ask)
        if self.token and not self.token.publishes:
            return permissions.token_nothing(self.token.name, _where(settings))
        return None

    def _may_see(self, project: str, settings: Settings) -> bool:
        """Whether it may know of a project that it publishes.

        A job reads nothing. What it may publish has to speak of restricted projects alone to count for one.
        """
        if not covers(settings.restricted, project):
            return True
        if self.token and self.token.job:
            narrow = (one for one in self.of_owner(settings) if covers(settings.restricted, one))
            return covers(narrow, project)
        return covers(self.reads(settings), project)

    def why_not(self, project: str, settings: Settings) -> str | None:
        """The sentence that says why it may not publish `project`; None if it may."""
        of_owner = permissions.why_not(self.user, project, self.of_owner(settings), settings.ask)
        if of_owner is None and not self._may_see(project, settings):
            return permissions.restricted(self.user, project, settings.ask)
        if of_owner or not self.token:
            return of_owner
        return permissions.token_why_not(self.token.name, project, self.token.publishes, _where(settings))

    def grantable(self, settings: Settings) -> Sequence[str]:
        """The patterns that a token may have which is made with this login."""
        of_owner = self.of_owner(settings)
        if not self.token:
            return of_owner
        return [one for one in self.token.publishes if permissions.covers(of_owner, one)]


class Logins:
    """Finds out whose a login is."""

    def __init__(self, config: Config, tokens: Tokens) -> None:
        self._config = config
        self._tokens = tokens
        self._directory = Accounts()

    def find(self, user: str, password: str) -> Login | None:
        """None for a login that is wrong. Raises `HTTPError` where that cannot be said."""
        settings = self._config.current()
        if not is_token(password):
            return Login(user) if settings.knows(user, password) else self._in_directory(user, settings, password)
        token = self._tokens.check(password)
        if token is None or user not in (ANY_OWNER, token.owner):
            return None
        return self._with_token(token)

    def of_token(self, identity: str) -> Login | None:
        """The login with the token of this id; None if it is not in force."""
        token = self._tokens.find(identity)
        return self._with_token(token) if token and token.is_live() else None

    def of_user(self, user: str) -> Login | None:
        """The login of an account; None if there is no such account."""
        settings = self._config.current()
        return Login(user) if user in settings.accounts else self._in_directory(user, settings)

    def reader(self, request: Request) -> Reader:
        """What whoever the gateway has let in may see; without a login, or with one that may not install, the least."""
        settings = self._config.current()
        name = request.headers.get(GATEWAY_LOGIN, "")
        if not (settings.restricted and name):
            return Reader(settings.restricted)
        try:
            login = self.of_token(name[1:]) if name.startswith(":") else self.of_user(name)
        except HTTPError:  # the directory does not answer
            login = None
        if login is None or (login.token and not login.token.reads):
            return Reader(settings.restricted)
        return Reader(settings.restricted, login.reads(settings))

    def owners(self) -> Container[str]:
        """The accounts whose tokens are kept."""
        return self._config.current().owners

    def _with_token(self, token: Token) -> Login | None:
        if token.job:  # which has no account
            return Login(token.owner, token)
        owner = self.of_user(token.owner)
        return replace(owner, token=token) if owner else None

    def _in_directory(self, user: str, settings: Settings, password: str | None = None) -> Login | None:
        """The login of an account of the company's directory, if it has this password. Raises `HTTPError`.

        The directory is never asked about who has an account here: machines, CI, and whoever must get in without it.
        """
        if settings.ldap is None or user in settings.accounts or settings.has_ended(user):
            return None
        try:
            if password is None:
                person = self._directory.person(user, settings.ldap)
            else:
                person = self._directory.login(user, password, settings.ldap)
        except TooManyTries as error:
            raise HTTPError(429, str(error)) from error
        except (Unreachable, Busy) as error:
            raise HTTPError(503, f"{error} Tokens and the index's own accounts work meanwhile.") from error
        return Login(user, person=person) if person else None

    def require(self, request: Request) -> Login:
        """The login of a request; raises `HTTPError`."""
        given = request.authorization
        if given is None or given.type != "basic":
            raise HTTPError(401, "This page takes a user name and a password.")
        login = self.find(given.username or "", given.password or "")
        if login is None:
            raise HTTPError(401, self.why_wrong(given.password or ""))
        return login

    def why_wrong(self, password: str) -> str:
        """The sentence for a login that is wrong."""
        settings = self._config.current()
        if is_token(password):
            return f"{WRONG_TOKEN} at {_where(settings)}."
        return f"The user name or the password is wrong; if you have none, {settings.ask}."


def _where(settings: Settings) -> str:
    return f"{settings.index_url}{TOKENS_PATH}"
