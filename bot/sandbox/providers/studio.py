import asyncio
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor

from bot.sandbox.providers.films import FilmOrder, Order, PictureOrder, render
from bot.sandbox.providers.options import SandboxProviderOptions

_SMALL_FILM = FilmOrder("instant", 0, 160, 96, 24, 24)
_SMALL_PICTURE = PictureOrder("instant", 0, 160, 96)


class Studio:
    """Makes what was ordered, in the provider's time. Its child processes live from the first drawing to `close`."""

    def __init__(self, options: SandboxProviderOptions) -> None:
        self._options = options
        self._pool: ProcessPoolExecutor | None = None
        self._small: dict[Order, bytes] = {}

    async def make(self, order: Order, seconds: float) -> bytes:
        """Takes `seconds` of the provider's time, and at least as long as the drawing takes."""
        if self._options.instant:
            return await self._instant(order)
        wait = self._options.clock.sleep(seconds / self._options.speed)
        if (film := self._given(order)) is not None:
            await wait
            return film
        async with asyncio.TaskGroup() as group:
            drawing = group.create_task(self._draw(order))
            await wait
        return drawing.result()

    async def close(self) -> None:
        """Waits for the drawings under way, a second or two."""
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)
            self._pool = None

    def _given(self, order: Order) -> bytes | None:
        given = self._options.film_bytes
        if given is None or not isinstance(order, FilmOrder):
            return None
        return given if isinstance(given, bytes) else given(order)

    async def _instant(self, order: Order) -> bytes:
        if (film := self._given(order)) is not None:
            return film
        small: Order = _SMALL_FILM if isinstance(order, FilmOrder) else _SMALL_PICTURE
        if small not in self._small:
            self._small[small] = await asyncio.to_thread(render, small)
        return self._small[small]

    async def _draw(self, order: Order) -> bytes:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._options.render_processes, multiprocessing.get_context("spawn"), initializer=_prepare_child
            )
        return await asyncio.get_running_loop().run_in_executor(self._pool, render, order)


def _prepare_child() -> None:
    # Ctrl-C reaches the whole process group; the parent closes the pool in its own order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        # A killed parent closes no pool; its children would wait for orders for ever.
        os._exit(1)
