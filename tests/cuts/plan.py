"""What is done to the connections of each reading: pure, and the same again for the same dice."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

from tests.kit.proxy import By, Fault

#: What is read: a run that has ended, one that goes on meanwhile, or one that the reading itself starts.
Kind = Literal["ended", "live", "started"]

WAYS: tuple[By, ...] = get_args(By)
#: The connections of a reading that are spoiled at most.
FAULTS_MAX = 6
#: And of these in a row, the one that may have brought a record first. A client may give up after four, and a page is
#: no progress until it is whole: two are left for a machine that is busy with other things.
FAULTS_IN_A_ROW_MAX = 2
#: Every so many readings the line itself is bad: bytes one by one, late, or connections in the wrong order.
BAD_LINE_EVERY = 5


class Reading(NamedTuple):
    """One reading of a run through a proxy; the faults are for its connections, in order: see `Spoiler`."""

    number: int
    kind: Kind
    faults: tuple[Fault, ...]


class Spoiler:
    """Gives each connection of a reading its fault, as long as records come in between.

    What comes between two connections is only known while they are made: who gives out records says so to `came`. That
    may be heard when the next connection has been made already.
    """

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._left = list(reversed(faults))
        self._in_a_row = 0
        #: whether the newest connection has a fault
        self._spoiled = False
        #: whether a record has come since the newest connection
        self._progressed = False

    def came(self) -> None:
        self._progressed = True

    def __call__(self, number: int) -> Fault:
        """The fault of the connection with this number; none where one more could make a client give up."""
        if self._progressed:
            self._in_a_row = 1 if self._spoiled else 0
        self._progressed = False
        self._spoiled = bool(self._left) and self._in_a_row < FAULTS_IN_A_ROW_MAX
        if not self._spoiled:
            return Fault()
        self._in_a_row += 1
        return self._left.pop()


def readings(dice: random.Random, size: int, kinds: tuple[Kind, ...]) -> Iterator[Reading]:
    """Readings without end. The first cuts go through every byte of an answer of `size` bytes, and so in each way."""
    number = 0
    places = list(range(size))
    first_ways = dice.choices(range(len(WAYS)), k=size)
    for turn in itertools.count():
        dice.shuffle(places)
        for place in places:
            by = WAYS[(first_ways[place] + turn) % len(WAYS)]
            number += 1
            first = Fault(place, by, pieces=dice.choice((None, None, 1, 7)))
            more = tuple(_other(dice, size) for _ in range(min(dice.randrange(FAULTS_MAX), dice.randrange(FAULTS_MAX))))
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
