"""`/show`: all that is known of one job, for who asked and for moderators."""

from bot.domain.job import Job, JobState
from bot.ports import Place
from bot.texts.progress import asked, queue_message
from bot.texts.words import when


def report(job: Job, place: Place | None = None) -> str:
    """Private, so without buttons."""
    # An ending has no options in it.
    given = asked(job.request)[1:] if job.state.rests else []
    return "\n".join([queue_message(job, place).content, *given, _times(job), *filter(None, [_tries(job)])])


def _times(job: Job) -> str:
    # Who waits again, or was refused, has been started only in vain.
    started = None if job.state in (JobState.RECEIVED, JobState.QUEUED, JobState.REFUSED) else job.started_at
    times = {"Asked": job.created_at, "started": started, "made": job.made_at, "ended": job.ended_at}
    return " · ".join(f"{what} {when(at)}" for what, at in times.items() if at is not None) + "."


def _tries(job: Job) -> str:
    if job.started_at is None:
        return "It was not handed to a provider yet." if not job.state.rests else "It was never handed to a provider."
    earlier = f", after {job.charged} that may have been charged" if job.charged else ""
    return f"Tries: {job.tries}{earlier}." if job.tries or earlier else ""


def not_shown(job: Job, *, gone: bool) -> str:
    if gone:
        return f"The file of job `{job.id}` is not kept any more. To have it made anew, ask again."
    return f"Job `{job.id}` could not be delivered here either. It is still kept: try again, or in another channel."
