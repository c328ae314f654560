"""One answer for everybody who asks the same thing within a minute."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Entry(Generic[T]):
    asked: float
    """When, by time.monotonic."""
    answer: "Future[T]" = field(default_factory=Future)
    weight: int = 0
    """0 as long as it is being found out."""


class Recent(Generic[T]):
    """Remembers answers for a while. Whoever asks while the answer is being found out waits for that one."""

    def __init__(self, seconds: float, capacity: int, weigh: Callable[[T], int]) -> None:
        """`capacity` is the most that all answers may weigh together; the oldest are forgotten first."""
        self._seconds = seconds
        self._capacity = capacity
        self._weigh = weigh
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry[T]] = OrderedDict()

    def get(self, question: str, find_out: Callable[[], T]) -> T:
        """The answer. What `find_out` raises is raised to all who wait for it, and not remembered."""
        now = time.monotonic()
        with self._lock:
            entry = self._entries.get(question)
            is_ours = entry is None or now - entry.asked > self._seconds
            if is_ours:
                self._entries.pop(question, None)
                entry = self._entries[question] = _Entry(now)
        if is_ours:
            try:
                entry.answer.set_result(find_out())
            except BaseException as error:
                entry.answer.set_exception(error)
            self._settle(question, entry)
        return entry.answer.result()

    def _settle(self, question: str, entry: _Entry[T]) -> None:
        with self._lock:
            if entry.answer.exception():
                if self._entries.get(question) is entry:
                    del self._entries[question]
                return
            entry.weight = self._weigh(entry.answer.result())
            total = sum(kept.weight for kept in self._entries.values())
            for name, kept in list(self._entries.items()):
                if total <= self._capacity and time.monotonic() - kept.asked <= self._seconds:
                    break
                total -= kept.weight
                del self._entries[name]
