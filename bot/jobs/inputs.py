"""A job's pictures: all of them fitted or none left on disk, and exchanged only once the job's row says so."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from bot.domain.errors import Stale
from bot.domain.generation import Frame
from bot.domain.job import Job
from bot.ports import Picture, Pictures

Fit = Callable[[Sequence[Frame]], Awaitable[Picture]]


async def fitted(pictures: Pictures, frames: Sequence[Frame], fits: Iterable[Fit]) -> list[Picture]:
    """The first to one of `frames`, the others to the first one's shape. Raises what `fits` raise, BadPicture say."""
    made: list[Picture] = []
    with ExitStack() as undo:
        for fit in fits:
            picture = await fit(frames)
            undo.callback(pictures.forget, picture.name)
            made.append(picture)
            frames = [Frame(made[0].width, made[0].height)]
        undo.pop_all()
    return made


async def refitted(
    pictures: Pictures, names: Iterable[str], frames: Sequence[Frame] = (), *, small: bool = False
) -> list[Picture]:
    """Prepared pictures once more, as new ones. Raises BadPicture, StorageUnavailable."""
    return await fitted(pictures, frames, [partial(pictures.again, name, small=small) for name in names])


@contextmanager
def exchanged(pictures: Pictures, job: Job, new: Iterable[str]) -> Iterator[None]:
    """Around the commit that gives a job `new` pictures for its own: those that it has not in the end are removed."""
    try:
        yield
    except Stale:
        forget(pictures, new)
        raise
    # A job that is a retry shares its pictures with the one that it retries.
    if job.retry_of is None:
        forget(pictures, job.request.images)


def forget(pictures: Pictures, names: Iterable[str]) -> None:
    for name in names:
        pictures.forget(name)
