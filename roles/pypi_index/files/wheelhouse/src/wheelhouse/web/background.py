"""What the program does while nobody asks it anything."""

import logging
import threading
import time
from collections.abc import Callable
from typing import NoReturn

log = logging.getLogger(__name__)


def repeat(act: Callable[[], object], pause: float, trouble: str) -> None:
    """Do something in a thread of its own, again and again.

    act         it may fail: the database may be away, and what is wrong now may be right in a while
    pause       seconds between two times
    trouble     the sentence for the log when it has failed
    """

    def run() -> NoReturn:
        while True:
            try:
                act()
            except Exception:
                log.exception(trouble)
            time.sleep(pause)

    threading.Thread(target=run, daemon=True).start()
