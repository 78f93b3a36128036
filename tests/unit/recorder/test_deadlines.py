# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits is ended at its deadline, in order, and what is over is left alone."""

from __future__ import annotations

import asyncio

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.deadlines import Deadlines

SECONDS = 0.02


class Item:
    def __init__(self, expired):
        self.is_over = False
        self._expired = expired

    def expire(self):
        self.is_over = True
        self._expired.append(self)


def run(work):
    async def whole():
        loop = asyncio.get_running_loop()
        expired = []
        await work(Deadlines(loop, SECONDS), expired)
        return expired

    return asyncio.run(asyncio.wait_for(whole(), 20))


def test_items_expire_in_order_and_not_before_their_time():
    async def work(deadlines, expired):
        items = [Item(expired) for _item in range(3)]
        begin = asyncio.get_running_loop().time()
        for item in items:
            deadlines.add(item)
        while len(expired) < 3:
            await asyncio.sleep(0.001)
        assert asyncio.get_running_loop().time() - begin >= SECONDS
        assert expired == items
        assert deadlines.is_empty()

    run(work)


def test_what_is_over_does_not_expire_and_does_not_hold_up_the_next():
    async def work(deadlines, expired):
        first, second = Item(expired), Item(expired)
        deadlines.add(first)
        deadlines.add(second)
        first.is_over = True
        assert not deadlines.is_empty()
        while not expired:
            await asyncio.sleep(0.001)
        assert expired == [second]

    run(work)


def test_one_that_comes_later_has_its_own_time():
    async def work(deadlines, expired):
        deadlines.add(Item(expired))
        await asyncio.sleep(SECONDS / 2)
        late = Item(expired)
        begin = asyncio.get_running_loop().time()
        deadlines.add(late)
        while not late.is_over:
            await asyncio.sleep(0.001)
        assert asyncio.get_running_loop().time() - begin >= SECONDS

    run(work)
