"""One answer for everybody who asks the same thing within a minute."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from cachetools import TTLCache

T = TypeVar("T")


class SingleFlightCache(Generic[T]):
    """Remembers answers for a while. Whoever asks while the answer is being found out waits for that one.

    Safe for many threads.
    """

    def __init__(self, seconds: float, capacity: int, weigh: Callable[[T], int]) -> None:
        """`capacity` is the most that all answers may weigh together; those not used for longest are forgotten first.

        An answer that is too heavy by itself is given to those who wait for it, and not remembered.
        """
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[T]] = {}
        self._capacity = capacity
        self._weigh: Callable[[T], int] = lambda answer: max(1, weigh(answer))
        self._answers: TTLCache[str, T] = TTLCache(capacity, seconds, timer=time.monotonic, getsizeof=self._weigh)

    def get(self, question: str, find_out: Callable[[], T]) -> T:
        """The answer. What `find_out` raises is raised to all who wait for it, and not remembered."""
        with self._lock:
            if question in self._answers:
                return self._answers[question]
            answer = self._under_way.get(question)
            is_ours = answer is None
            if answer is None:
                answer = self._under_way[question] = Future()
        if not is_ours:
            return answer.result()
        try:
            found = find_out()
        except BaseException as error:
            with self._lock:
                del self._under_way[question]
            answer.set_exception(error)
            raise
        with self._lock:
            if self._weigh(found) <= self._capacity:
                self._answers[question] = found
            del self._under_way[question]
        answer.set_result(found)
        return found
