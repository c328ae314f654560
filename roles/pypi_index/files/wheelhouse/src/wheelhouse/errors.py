"""What can go wrong, in terms of the index. The text of each is one sentence for the person who sees it.

HTTP status codes for them are in `web`, exit codes in `cli`.
"""


class WheelhouseError(Exception):
    """Any of them."""


class NotFound(WheelhouseError):
    """What was asked for, or is to be changed, is not there."""


class Denied(NotFound):
    """It is somewhere else, and not let in from there: by the settings, by its age, or by what the intake found."""


class Forbidden(WheelhouseError):
    """This account may not do that."""


class Conflict(WheelhouseError):
    """Another file has, or ever had, this one's name."""


class Rejected(WheelhouseError):
    """What was sent or asked for is not taken: it breaks a rule, or the policy says no."""


class Busy(WheelhouseError):
    """Others are at it; the same may succeed in a while."""


class Full(WheelhouseError):
    """There is no room for it on the disk."""


class Unreachable(WheelhouseError):
    """Another server did not answer, or not as it should.

    The HTTP client's text is the end of a sentence, for those who know what was asked for: `it answers 502`.
    """


class BrokenOff(Unreachable):
    """Its answer came, and stopped in the middle."""


class TooNew(WheelhouseError):
    """What is there was made by a later version of this program, and is nothing that this one understands."""


class Damaged(WheelhouseError):
    """What is there is not what it was: bytes that do not have their hash, a state that does not fit together."""
