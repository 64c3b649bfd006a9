"""How a job ended: the queue message's last state, the short reply, and the message with the film."""

import re
from dataclasses import dataclass

from bot.domain.job import SHOWN_ELSEWHERE, Artifact, Cause, Job, JobState
from bot.domain.messages import Button, Message, Verb
from bot.texts.words import billed, code, in_place_of, inert, link, maker, name, noun, number, size, span

_RETRY_LABEL = "Retry"
_ASK_LATER = "Try again in a few minutes, or choose another model."
_PRESS, _ASK = "Press Retry to ask again", "Ask again in an open channel"
_COSTS_AGAIN = f"{_PRESS}; that may cost again."
_ASK_AGAIN = f"{_PRESS}."
_PERMISSIONS = "To post there, Matinee needs the permissions View Channel, Send Messages and Attach Files."


@dataclass(frozen=True, slots=True)
class _Reason:
    """`what` names the step and who stood in the way; `advice` is what to do now."""

    what: str
    advice: str = ""


_REASONS: dict[Cause, _Reason] = {
    Cause.NOT_CONFIRMED: _Reason(
        "Discord did not confirm that you saw the answer to your command, so the request was dropped before it started",
        "Please ask again.",
    ),
    Cause.UNREACHABLE: _Reason("{provider} could not be reached to hand the request over", _ASK_LATER),
    Cause.BUSY: _Reason("{provider} was too busy to take the request, at every try", _ASK_LATER),
    Cause.REDIRECTED: _Reason(
        "{provider} answered with a redirect, which is never followed",
        "The operator has to correct its address; until then choose a model of another provider.",
    ),
    Cause.REJECTED: _Reason("{provider} refused the request", "Change the prompt or the options and ask again."),
    Cause.UNAUTHORIZED: _Reason(
        "{provider} does not accept this bot's key or account",
        "The operator has to put that right; until then choose a model of another provider.",
    ),
    Cause.NO_CREDIT: _Reason(
        "{provider} finds no credit in this bot's account",
        "The operator has to put that right; until then choose a model of another provider.",
    ),
    Cause.FAILING: _Reason("{provider} kept failing with this model", _ASK_LATER),
    Cause.TOO_EXPENSIVE: _Reason(
        "it costs {price} for one try, and since that limit was changed, {most} is the most that this guild may spend "
        "in 24 hours",
        "Choose another model; `/models` lists them.",
    ),
    Cause.MODEL_GONE: _Reason(
        "{provider} does not offer this model here any more", "Choose another one; `/models` lists them."
    ),
    Cause.NO_ANSWER: _Reason("{provider} may have made it, but no usable answer came back", _COSTS_AGAIN),
    Cause.RESTARTED: _Reason("Matinee was restarted while {provider} was making it", _COSTS_AGAIN),
    Cause.UNUSABLE: _Reason("what {provider} sent back does not play", _COSTS_AGAIN),
    Cause.FAILED: _Reason("{provider} reported that making it failed", "Change the prompt, or choose another model."),
    Cause.STUCK: _Reason("{provider} stopped moving, and waiting for it was given up", _COSTS_AGAIN),
    Cause.RESULT_GONE: _Reason("the result could not be fetched from {provider}", _COSTS_AGAIN),
    Cause.STORAGE_FULL: _Reason(
        "Matinee's disk is full, so the result could not be kept", "Please tell the operator of this bot."
    ),
    Cause.PICTURE_GONE: _Reason("the picture is no longer on Matinee's disk", "Please attach it again."),
    Cause.ARTIFACT_GONE: _Reason("the finished file is no longer on Matinee's disk", _COSTS_AGAIN),
    Cause.BY_MEMBER: _Reason("it was cancelled by the member who asked for it"),
    Cause.BY_MODERATOR: _Reason("it was cancelled by a moderator"),
    Cause.BY_PROVIDER: _Reason("it was cancelled at {provider}", _ASK_LATER),
    Cause.GUILD_LEFT: _Reason("Matinee was taken out of the guild where it was asked for"),
    Cause.NO_PERMISSION: _Reason("Matinee may not post files in that channel", _PERMISSIONS),
    Cause.CHANNEL_GONE: _Reason("the channel is gone or closed"),
    Cause.TOO_LARGE: _Reason(
        "the file is larger than Discord allows there, even encoded again", "Ask for a shorter or smaller one."
    ),
    Cause.FILTERED: _Reason("a filter of the guild did not let the message through", "Ask a moderator about AutoMod."),
    # By Discord, or by a mistake of ours.
    Cause.DISCORD_REFUSED: _Reason(
        "it could not be posted, and Matinee's log says why", "Please tell the operator of this bot."
    ),
    Cause.CRASHED: _Reason("Matinee stopped twice while it worked on what {provider} sent", _COSTS_AGAIN),
    Cause.RESTORED: _Reason(
        "Matinee's database was restored from a backup, so nobody can tell what has become of this job since",
        "A moderator lets it go on or drops it with `/admin held`.",
    ),
}
_UNSERVED = _Reason(
    "{provider}, which had it, is not configured here any more, so nobody could ask it for the result",
    "Choose another model; `/models` lists them.",
)
_DROPPED = _Reason("a moderator dropped it, because it dates from before Matinee's database was restored from a backup")
_MADE = frozenset({JobState.LOST_RESULT, JobState.UNDELIVERABLE, JobState.POISON})
_QUOTED = frozenset({Cause.REJECTED, Cause.FAILED, Cause.BY_PROVIDER, Cause.STUCK})
_STATUS = re.compile(r"^HTTP \d{3}(: |$)")
_UNKNOWN = _Reason("the reason was not recorded", "Please tell the operator of this bot.")


def ending(job: Job, keep_days: float = 7) -> Message:
    """What the queue message becomes. `keep_days` is how long the file of an undeliverable job stays."""
    word, sentence = _ending(job, keep_days)
    head = f"Job `{job.id}` · {name(job.request.model)} · **{word}**"
    lines = [head, inert(job.request.prompt), *filter(None, [in_place_of(job)]), sentence]
    return Message("\n".join(lines), _retry(job))


def _ending(job: Job, keep_days: float) -> tuple[str, str]:
    if job.state is JobState.DONE:
        if job.direct:
            return "done", "Matinee may not post it here, so the member who asked has it in a direct message."
        if job.result_message_id is None and job.detail == SHOWN_ELSEWHERE:
            return "done", "It was delivered in another channel, with `/show`."
        if job.result_message_id is None:
            return "done", "It was posted, and somebody has removed it since."
        return "done", link(job, job.result_message_id)
    if job.state is JobState.CANCELLED:
        return "cancelled", _story(job, keep_days, advise=False)
    if job.state is JobState.HELD:
        return "held", _story(job, keep_days, advise=True)
    return "failed", _story(job, keep_days, advise=True)


def notice(job: Job, keep_days: float = 7, *, direct: bool = False) -> Message:
    """The short reply that reaches the requester; an edit of the queue message notifies nobody. `direct`: it is read in
    direct messages, where nothing can be asked for."""
    word = "was cancelled" if job.state is JobState.CANCELLED else "failed"
    story = _story(job, keep_days, advise=True)
    content = (
        f"<@{job.to.member_id}> your {noun(job)} {word} (job `{job.id}`, {name(job.request.model)}).\n"
        f"{story.replace(_PRESS, _ASK) if direct else story}"
    )
    return Message(content, () if direct else _retry(job), job.to.member_id)


def pointer(job: Job, message_id: int) -> Message:
    """The short reply for a film that an edit has put into `message_id`."""
    where = link(job, message_id)
    content = f"<@{job.to.member_id}> your {noun(job)} is ready: {where} (job `{job.id}`, {name(job.request.model)})."
    return Message(content, mention=job.to.member_id)


def result(job: Job, artifact: Artifact, *, compressed_from: int | None = None) -> Message:
    """Goes with the file. `compressed_from` is the size in bytes before it was encoded again."""
    seconds = artifact.seconds
    facts = [
        f"{artifact.width}x{artifact.height}",
        f"{number(round(seconds, 2))} s long" if seconds is not None else None,
        f"seed {job.request.seed}" if job.request.seed is not None else None,
        size(artifact.size),
        f"took {span(job.made_at - job.created_at)} from request to result" if job.made_at is not None else None,
    ]
    lines = [
        f"<@{job.to.member_id}> here is your {noun(job)} · job `{job.id}` · {name(job.request.model)}",
        inert(job.request.prompt),
        " · ".join(fact for fact in facts if fact),
        *filter(None, [in_place_of(job)]),
    ]
    if compressed_from is not None:
        lines.append(
            f"It was compressed from {size(compressed_from)} to {size(artifact.size)}, to fit the limit of this place."
        )
    elif artifact.compressed:
        lines.append("It was compressed again by Matinee, so that it plays everywhere.")
    return Message("\n".join(lines), mention=job.to.member_id)


def _story(job: Job, keep_days: float, *, advise: bool) -> str:
    reason = _REASONS[job.cause] if job.cause is not None else _UNKNOWN
    if _dropped(job):
        reason = _DROPPED
    elif job.state is JobState.LOST_RESULT and job.cause is Cause.MODEL_GONE:
        reason = _UNSERVED
    provider = maker(job.provider)
    price, _, most = job.detail.partition(" ")
    what = reason.what.format(provider=provider, price=code(price, 20), most=code(most, 20))
    words = _words(job)
    detail = f": {code(words)}" if words else ""
    sentences = [f"{what[:1].upper()}{what[1:]}{detail}.", spent(job)]
    if job.state is JobState.UNDELIVERABLE:
        where = "where larger files are allowed" if job.cause is Cause.TOO_LARGE else "in an open channel"
        sentences.append(
            f"The file is kept for {number(keep_days)} days: `/show job:{job.id}` {where} delivers it, free."
        )
    if advise:
        free = reason.advice is _COSTS_AGAIN and (job.state is JobState.REFUSED or not billed(job.provider))
        sentences.append(_ASK_AGAIN if free else reason.advice)
    return " ".join(sentence for sentence in sentences if sentence)


def _dropped(job: Job) -> bool:
    return job.state is JobState.CANCELLED and job.cause is Cause.RESTORED


def _words(job: Job) -> str:
    """The provider's own; a status or an error's name means nothing to a member, and stands in the log."""
    said = _STATUS.sub("", job.detail, count=1)
    return said if said != job.detail or job.cause in _QUOTED else ""


def spent(job: Job) -> str:
    provider = maker(job.provider)
    unknown = job.state is JobState.LOST_RESULT and job.cause in (Cause.STUCK, Cause.RESULT_GONE, Cause.MODEL_GONE)
    uncertain = job.state is JobState.AMBIGUOUS or job.held_from is not None or unknown
    made = job.made_at is not None or job.state in _MADE
    if (uncertain or made) and not billed(job.provider):
        return "Nothing was charged."
    if uncertain:
        return "It may have been charged."
    if job.cause is Cause.FAILED:
        return f"{provider} does not say whether a failed job is billed."
    if job.cause is Cause.BY_PROVIDER:
        return f"Whether {provider} bills it is not known."
    if made:
        return "It was made, so it counts as spent."
    if job.charged:
        return "An earlier try may have been charged."
    return "Nothing was spent."


def _retry(job: Job) -> tuple[Button, ...]:
    worth_it = job.state in (JobState.AMBIGUOUS, JobState.LOST_RESULT, JobState.POISON) or (
        job.state is JobState.REFUSED and job.cause in (Cause.BUSY, Cause.UNREACHABLE, Cause.FAILING, Cause.STUCK)
    )
    return (Button(Verb.RETRY, job.id, _RETRY_LABEL),) if worth_it else ()
