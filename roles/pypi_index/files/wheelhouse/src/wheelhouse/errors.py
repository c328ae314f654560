"""What can go wrong, in the words of packages and files. The text of each is a sentence for the person concerned.

Only `web` knows which HTTP status stands for which of them.
"""


class WheelhouseError(Exception):
    """The text is one sentence, without anything secret in it."""


class NotFound(WheelhouseError):
    """There is no such project, release or file."""


class Denied(NotFound):
    """There is one, and it is not let in: by the settings, by its age, or by what the intake has found."""


class Forbidden(WheelhouseError):
    """The account may not do this."""


class Unreachable(WheelhouseError):
    """A server gave no usable answer.

    Of the HTTP client, the text is the end of a sentence: `it answers 502`.
    """


class BrokenOff(Unreachable):
    """Its answer came, and stopped in the middle."""


class Damaged(WheelhouseError):
    """A file is not what was promised of it."""


class Conflict(WheelhouseError):
    """Another file is, or was, there under this name."""


class Rejected(WheelhouseError):
    """What was sent breaks a rule."""


class Busy(WheelhouseError):
    """It cannot be done now; the same may work in a minute."""


class Full(WheelhouseError):
    """There is no room for it."""
