"""`/show`: all that is known of one job, for who asked and for moderators."""

from bot.domain.job import Job
from bot.ports import Place
from bot.texts.progress import asked, queue_message
from bot.texts.words import when


def report(job: Job, place: Place | None = None) -> str:
    """Private, so without buttons."""
    # An ending has no options in it.
    given = asked(job.request)[1:] if job.state.rests else []
    return "\n".join([queue_message(job, place).content, *given, _times(job), _submissions(job)])


def _times(job: Job) -> str:
    times = {"Asked": job.created_at, "started": job.started_at, "made": job.made_at, "ended": job.ended_at}
    return " · ".join(f"{what} {when(at)}" for what, at in times.items() if at is not None) + "."


def _submissions(job: Job) -> str:
    if not job.tries and not job.charged:
        return "It was not handed to a provider yet." if not job.state.rests else "It was never handed to a provider."
    earlier = f", after {job.charged} that may have been charged" if job.charged else ""
    return f"Submissions: {job.tries}{earlier}."


def not_shown(job: Job, *, gone: bool) -> str:
    if gone:
        return f"The file of job `{job.id}` is not kept any more."
    return f"Job `{job.id}` could not be delivered here either. Its file stays; try again, or in another channel."
