import asyncio
import logging

from bot.sandbox.providers.films import Order
from bot.sandbox.providers.options import SandboxProviderOptions
from bot.sandbox.providers.records import Generation, GenerationState
from bot.sandbox.providers.studio import Studio

log = logging.getLogger(__name__)


class Line:
    """Generations in the order of their arrival, `workers` of them under way at a time (None: all of them)."""

    def __init__(self, options: SandboxProviderOptions, studio: Studio, workers: int | None) -> None:
        self._clock = options.clock
        self._studio = studio
        self._workers = workers
        self._waiting: list[tuple[Generation, Order, float]] = []
        self._running: dict[asyncio.Task[None], Generation] = {}

    def join(self, generation: Generation, order: Order, seconds: float) -> None:
        """`seconds` is how long the provider takes once started, at speed 1."""
        self._waiting.append((generation, order, seconds))
        self._start_next()

    def position(self, generation: Generation) -> int:
        """How many wait in front of it."""
        return next(index for index, (each, _, _) in enumerate(self._waiting) if each is generation)

    def cancel(self, generation: Generation) -> bool:
        """False when it has started or ended already."""
        if generation.state is not GenerationState.QUEUED:
            return False
        self.end(generation, GenerationState.CANCELLED)
        return True

    def end(self, generation: Generation, state: GenerationState, reason: str = "") -> None:
        """Ends a queued or running generation; a worker that had begun stays busy for its time."""
        self._waiting = [entry for entry in self._waiting if entry[0] is not generation]
        generation.end(state, self._clock.now(), reason)

    async def close(self) -> None:
        """What waits or is under way fails."""
        running = dict(self._running)
        for generation in [entry[0] for entry in self._waiting] + list(running.values()):
            if not generation.finished.is_set():
                self.end(generation, GenerationState.FAILED, "the provider went down")
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _start_next(self) -> None:
        while self._waiting and (self._workers is None or len(self._running) < self._workers):
            generation, order, seconds = self._waiting.pop(0)
            generation.start(self._clock.now())
            task = asyncio.create_task(self._run(generation, order, seconds))
            self._running[task] = generation
            task.add_done_callback(self._after)

    def _after(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._start_next()

    async def _run(self, generation: Generation, order: Order, seconds: float) -> None:
        try:
            film = await self._studio.make(order, seconds)
        except Exception:  # the root of a task: whatever drawing raised ends this generation only
            log.exception("drawing failed", extra={"generation": generation.request_id})
            if generation.state is GenerationState.RUNNING:
                generation.end(GenerationState.FAILED, self._clock.now(), "the sandbox could not draw it")
        else:
            if generation.state is GenerationState.RUNNING:
                generation.complete(film, self._clock.now())
