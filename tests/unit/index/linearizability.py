"""Whether what clients saw of one thing can have happened one operation after the other, each while it was under way.

The search is that of Wing and Gong, "Testing and verifying concurrent objects" (1993), with the memory of states that
Lowe added to it in "Testing for linearizability" (2017). No program that does it is to be had from Debian or PyPI.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

NEVER = math.inf
"""When an operation came back whose answer nobody saw: it may have been done at any time since, or not at all."""


@dataclass(frozen=True)
class Operation:
    """What one client did."""

    what: tuple[str, ...]
    """What was asked for."""
    answer: Hashable
    """What came of it; meaningless if it never came back."""
    call: float
    back: float
    """Between these moments, of one clock, it was done."""


Step = Callable[[Hashable, tuple[str, ...]], tuple[Hashable, Hashable]]
"""Of a state and what is asked for: the next state, and the answer."""


def is_linearizable(history: Sequence[Operation], start: Hashable, step: Step) -> bool:
    """Whether there is an order of these operations that explains all answers, beginning in the state `start`."""
    operations = sorted(history, key=lambda one: one.call)
    answered = sum(1 << number for number, one in enumerate(operations) if one.back != NEVER)
    pending, seen = [(0, start)], {(0, start)}
    while pending:
        done, state = pending.pop()
        if done & answered == answered:
            return True
        open_ = [(number, one) for number, one in enumerate(operations) if not done >> number & 1]
        first_back = min(one.back for _, one in open_)
        for number, one in open_:
            if one.call > first_back:
                break  # another one was over before this one began
            after, answer = step(state, one.what)
            following = (done | 1 << number, after)
            if (one.back == NEVER or answer == one.answer) and following not in seen:
                seen.add(following)
                pending.append(following)
    return False
