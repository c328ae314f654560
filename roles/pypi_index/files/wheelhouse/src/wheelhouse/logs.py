"""The log: one line for one thing that happened, whatever names and addresses people send."""

import logging


def printable(text: str) -> str:
    """The text with everything escaped that does not show as itself: line breaks, terminals' codes."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


class OneLine(logging.Formatter):
    """Keeps a message on its line. The lines of a traceback are marked, so that none looks like a message."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The message, which may quote what somebody sent."""
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei) -> str:  # type: ignore[no-untyped-def]
        """A traceback, whose last line quotes, too."""
        return "\n".join(f"    | {printable(line)}" for line in super().formatException(ei).splitlines())
