"""Something is killed at its steps, one after the other or by chance.

`is_repaired(step)` does it and looks at what comes of it; it is False if there is no such step.
"""

import random
from collections.abc import Callable

RANDOM_MOMENTS = 2
"""Each run of the tests takes others, and the exhaustive forms every step."""


def at_random_moments(is_repaired: Callable[[int], bool], many: int, least: int) -> None:
    """At some of its steps, of which there are about `many` and more than `least`."""
    chance = random.Random(seed := random.randrange(2**32))
    print(f"seed {seed}")
    past_the_end = many
    for _ in range(RANDOM_MOMENTS):
        step = chance.randrange(1, past_the_end)
        if not is_repaired(step):
            past_the_end = step
    assert past_the_end > least, "the hook saw the changes"


def at_every_step(is_repaired: Callable[[int], bool], least: int) -> None:
    """At each, of which there are more than `least`."""
    step = 1
    while is_repaired(step):
        step += 1
    assert step > least, "the hook saw the changes"
