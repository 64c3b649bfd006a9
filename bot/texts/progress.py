"""The queue message while a job lives."""

import math

from bot.domain.generation import GenerationRequest
from bot.domain.job import Cause, InProgress, InQueue, Job, JobState, RemoteStatus
from bot.domain.messages import Button, Message, Verb
from bot.ports import Outage, Place
from bot.texts.endings import ending
from bot.texts.words import in_place_of, inert, maker, name, noun, number, when

# An estimate that creeps on with the clock would edit the message for nothing.
_ROUNDING = 5


def queue_message(job: Job, place: Place | None = None, progress: RemoteStatus | None = None) -> Message:
    """What everyone sees of a job; an ended one as `ending` has it."""
    if job.state.terminal or job.state is JobState.HELD:
        return ending(job)
    stage, standing = _standing(job, place, progress)
    lines = [
        f"Job `{job.id}` · {name(job.request.model)} · **{stage}**",
        *asked(job.request),
        *filter(None, [in_place_of(job)]),
        standing,
    ]
    if job.discard:
        lines.append("Its result will be thrown away.")
    return Message("\n".join(lines), _buttons(job))


def asked(request: GenerationRequest) -> list[str]:
    lines = [inert(request.prompt)]
    if request.negative_prompt is not None:
        lines.append(f"Without:\n{inert(request.negative_prompt, 100)}")
    given = _options(request)
    return [*lines, given] if given else lines


def _options(request: GenerationRequest) -> str:
    shown = {
        "fps": request.fps,
        "steps": request.steps,
        "guidance": request.guidance,
        "seed": request.seed,
    }
    parts = [request.size_label] if request.size_label else []
    if request.duration is not None:
        parts.append(f"{number(request.duration)} s")
    parts += [f"{label} {number(value)}" for label, value in shown.items() if value is not None]
    if request.images:
        parts.append("from a picture" if len(request.images) == 1 else "from a first and a last picture")
    if request.spoiler:
        parts.append("spoiler")
    return " · ".join(parts)


def _buttons(job: Job) -> tuple[Button, ...]:
    can_be_cancelled = job.state in (JobState.RECEIVED, JobState.QUEUED) or job.state.active
    return (Button(Verb.CANCEL, job.id, "Cancel"),) if can_be_cancelled and not job.discard else ()


def _standing(job: Job, place: Place | None, progress: RemoteStatus | None) -> tuple[str, str]:
    ready = _ready(place)
    if job.state in (JobState.RECEIVED, JobState.QUEUED):
        return "queued", _waiting(job, place)
    if job.state is JobState.RESULT and job.discard:
        return "made", f"The {noun(job)} is made."
    if job.state in (JobState.RESULT, JobState.POSTING):
        return "posting", f"The {noun(job)} is made and will be posted here in a moment."
    if place is not None and place.unserved:
        provider = maker(job.provider)
        return "waiting", (
            f"{provider} has it, but is not configured here now, so nobody can ask it for the result. Nothing is lost "
            "yet: it is asked again once the operator has put that right."
        )
    match progress:
        case InQueue(position):
            return "waiting", f"{maker(job.provider)} has it in its own queue, position {position + 1}.{ready}"
        case InProgress(int(done), int(total)):
            return "being made", f"{maker(job.provider)} has done {done} of {total}.{ready}"
        case _:
            return "being made", f"{maker(job.provider)} is at work on it.{ready}"


def _waiting(job: Job, place: Place | None) -> str:
    if place is not None and place.outage is not None:
        return _outage(job, place.outage)
    if job.cause is not None or job.tries:
        tries = f" (tries: {job.tries})" if job.tries else ""
        again = _kept_by(place) or (f" Next try {when(job.not_before)}." if job.not_before else "")
        obstacle = _OBSTACLES.get(job.cause, "could not take it yet")
        return f"Waiting for its provider: {maker(job.provider)} {obstacle}{tries}.{again}"
    if place is None:
        return "It has a place in this guild's queue."
    return f"Place {place.ahead + 1} in this guild's queue.{_kept_by(place)}{_ready(place)}"


def _kept_by(place: Place | None) -> str:
    """What keeps it besides those ahead, if there is one rule to name."""
    if place is None:
        return ""
    if place.restarting:
        return " Matinee is restarting; it starts after that."
    if place.paused:
        return " A moderator has paused Matinee here; it starts after that."
    if place.budget_at is None:
        return ""
    if math.isinf(place.budget_at):
        return " This guild has spent or set aside what it may in 24 hours; it starts when there is enough again."
    return f" This guild has spent what it may in 24 hours; there is enough again {when(place.budget_at)}."


def _outage(job: Job, outage: Outage) -> str:
    trouble = outage.trouble
    what = _OUTAGES[trouble.cause].format(model=name(trouble.model))
    again = f" Next try {when(trouble.again_at)}." if trouble.again_at < outage.ends_at else ""
    if math.isinf(trouble.again_at):
        again = " It is being tried again now."
    cost = "costs nothing more" if job.charged else "costs nothing"
    return (
        f"Waiting: {maker(job.provider)} {what}.{again} If it stays so, this job is dropped {when(outage.ends_at)} and "
        f"{cost}. Cancel it to ask for another model."
    )


_OUTAGES = {
    Cause.UNREACHABLE: "does not answer for {model}",
    Cause.FAILING: "keeps failing at {model}",
    Cause.MODEL_GONE: "does not offer {model}",
    Cause.UNAUTHORIZED: "does not accept this bot's key or account",
    Cause.NO_CREDIT: "finds no credit in this bot's account",
}
_OBSTACLES: dict[Cause | None, str] = {
    Cause.UNREACHABLE: "could not be reached",
    Cause.BUSY: "is busy",
    Cause.UNAUTHORIZED: "did not accept this bot's key or account",
    Cause.NO_CREDIT: "found no credit in this bot's account",
    Cause.MODEL_GONE: "did not offer the model",
    Cause.NO_ANSWER: "gave no usable answer and is asked again",
    Cause.RESTARTED: "was cut off by a restart of Matinee and is asked again",
    Cause.UNUSABLE: "sent what does not play and is asked again",
    Cause.FAILED: "failed to make it and is asked again",
    Cause.STUCK: "stopped moving and is asked again",
    Cause.RESULT_GONE: "lost the result and is asked again",
}


def _ready(place: Place | None) -> str:
    if place is None or place.ready_at is None or place.restarting:
        return ""
    return f" Ready {when(-(-place.ready_at // _ROUNDING) * _ROUNDING)}."
