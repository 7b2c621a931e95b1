"""Records of the largest kind, and a client that resets its connection while they are written (fault 4)."""

from __future__ import annotations

import asyncio
import socket
import struct

from headwater.delivery.subscription import State, Subscription
from headwater.domain import event as ev
from tests.delivery.loops import OnLoop
from tests.delivery.rig import RUN, Rig, final, records, seqs

#: Just below what a record may have, envelope included.
HUGE = "x" * (ev.RECORD_BYTES_MAX - 200)
#: More than both sides' buffers hold together, so that the server stands in the middle of a record.
COUNT = 40


def test_a_reset_in_the_middle_of_a_huge_record_leaves_nothing(on_loop: OnLoop) -> None:
    async def scene() -> None:
        rig = Rig()
        async with rig.serving():
            await rig.begin()
            await rig.append(*records(COUNT, text=HUGE), after=0)
            async with rig.reading() as reader:
                await reader.head()
                full: list[Subscription] = []
                while not full:
                    await asyncio.sleep(0)  # paces: one turn of the loop; a sink that is full tells nobody
                    full = [each for each in rig.hub._readers if each.state is State.FULL]
                (subscription,) = full
                assert subscription.cursor < COUNT
                connection = reader.writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                reader.writer.transport.abort()
                await rig.presence.until_left(1)
            assert rig.presence.here == {RUN: 0}
            assert (rig.hub.readers, rig.hub._feeds) == (0, {})

            # Nobody else notices, and whoever comes back goes on behind its last whole record.
            await rig.append(final(COUNT + 1), after=COUNT, final=True)
            behind = subscription.cursor
            async with rig.reading(headers=f"Last-Event-ID: {behind}\r\n") as again:
                await again.head()
                assert seqs(await again.rest()) == list(range(behind + 1, COUNT + 2))

    on_loop(scene())
