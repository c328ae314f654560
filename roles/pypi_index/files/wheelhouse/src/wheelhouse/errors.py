"""What can go wrong, in terms of the index. The text of each is one sentence for the person who sees it.

HTTP status codes for them are in `web`, exit codes in `cli`.
"""


class WheelhouseError(Exception):
    """Any of them."""


class NotFound(WheelhouseError):
    """What was asked for, or is to be changed, is not there."""


class Conflict(WheelhouseError):
    """Another file has, or ever had, this one's name."""


class Rejected(WheelhouseError):
    """What was sent or asked for is not taken: it breaks a rule, or the policy says no."""


class Busy(WheelhouseError):
    """Others are at it; the same may succeed in a while."""


class Full(WheelhouseError):
    """There is no room for it on the disk."""


class Unreachable(WheelhouseError):
    """Another server did not answer, or not as it should."""


class Damaged(WheelhouseError):
    """What is there is not what it was: bytes that do not have their hash, a state that does not fit together."""
