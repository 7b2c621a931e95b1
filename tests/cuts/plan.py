"""What is done to the connections of each reading: pure, and the same again for the same dice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

from tests.kit.proxy import By, Fault

#: What is read: a run that has ended, one that goes on meanwhile, or one that the reading itself starts.
Kind = Literal["ended", "live", "started"]

WAYS: tuple[By, ...] = get_args(By)
#: The connections of a reading that are spoiled at most. A client may give up after four in a row without progress, and
#: a page is none until it is whole: two are left for a machine that is busy with other things.
FAULTS_MAX = 2
#: Every so many readings the line itself is bad: bytes one by one, late, or connections in the wrong order.
BAD_LINE_EVERY = 5


class Reading(NamedTuple):
    """One reading of a run through a proxy; the faults are those of its first connections, in order."""

    number: int
    kind: Kind
    faults: tuple[Fault, ...]


def readings(dice: random.Random, size: int, kinds: tuple[Kind, ...]) -> Iterator[Reading]:
    """Readings without end. The first cuts go through every byte of an answer of `size` bytes, in each way."""
    number = 0
    while True:
        places = [(place, by) for place in range(size) for by in WAYS]
        dice.shuffle(places)
        for place, by in places:
            number += 1
            first = Fault(place, by, pieces=dice.choice((None, None, 1, 7)))
            more = tuple(_other(dice, size) for _ in range(dice.randrange(FAULTS_MAX)))
            if number % BAD_LINE_EVERY == 0:
                more = (_bad_line(dice), *more)[:FAULTS_MAX]
            yield Reading(number, kinds[number % len(kinds)], (first, *more)[:FAULTS_MAX])


def _other(dice: random.Random, size: int) -> Fault:
    if dice.random() < 0.1:
        return Fault(refuse=True)
    # Later answers are shorter, for they begin behind the cursor: most of these places are early ones.
    return Fault(int(size * dice.random() ** 2), dice.choice(("close", "reset", "half-close")))


def _bad_line(dice: random.Random) -> Fault:
    return dice.choice((Fault(pieces=1), Fault(pieces=64, delay_s=0.002), Fault(overtaken=True)))
