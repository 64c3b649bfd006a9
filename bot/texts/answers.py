"""Private answers: to buttons, to `/queue`, `/models` and `/cancel`, and to what goes wrong in ourselves."""

from collections.abc import Sequence

from bot.domain.generation import Capability, ModelSpec, Option, duration_bounds
from bot.domain.job import Job, JobState
from bot.domain.messages import Button, Message, Verb
from bot.ports import Offer
from bot.texts.endings import spent
from bot.texts.words import billed, link, listed, maker, name, noun, number, one_page, pages, plain, span, when

_COMMANDS = {
    Capability.TEXT_TO_VIDEO: "/video",
    Capability.IMAGE_TO_VIDEO: "/animate",
    Capability.TEXT_TO_IMAGE: "/image",
}
_STATES: dict[JobState, str] = {
    JobState.RECEIVED: "queued",
    JobState.QUEUED: "queued",
    JobState.SUBMITTING: "being made",
    JobState.SUBMITTED: "being made",
    JobState.RESULT: "posting",
    JobState.POSTING: "posting",
    JobState.DONE: "done",
    JobState.ABANDONED: "failed, nothing spent",
    JobState.REFUSED: "failed, nothing spent",
    JobState.AMBIGUOUS: "failed, may have been charged",
    JobState.LOST_RESULT: "failed, result lost",
    JobState.UNDELIVERABLE: "could not be posted",
    JobState.CANCELLED: "cancelled",
    JobState.POISON: "failed, result could not be used",
    JobState.HELD: "held after a restore",
}

STORAGE_BUSY = "Matinee's database is busy. Nothing was stored or spent; please try again in a moment."
STORAGE_FULL = "Matinee's storage is full. Nothing was stored or spent; please tell the operator of this bot."
COMMAND_CHANGED = "This command has changed. Reload Discord and use it again; nothing was stored or spent."
NOT_POSTED = (
    "Matinee could not post the queue message, so the request was dropped; nothing was spent. Please try again."
)


def storage(full: bool) -> str:
    return STORAGE_FULL if full else STORAGE_BUSY


def bug(incident: str) -> str:
    return (
        "Matinee hit a bug and did not finish what you asked; a request that was not confirmed is not queued and "
        f"costs nothing. Please tell the operator of this bot: code {incident}."
    )


def not_a_choice(option: str, choices: Sequence[str]) -> str:
    return f"`{option}` takes {listed(choices, 'or')}."


def wrong_kind(option: str, kind: str) -> str:
    return f"`{option}` takes {kind}."


def out_of_range(option: str, low: float | None, high: float | None, given: float, unit: str = "") -> str:
    if low is not None and high is not None:
        bounds = f"{number(low)} to {number(high)}"
    else:
        bounds = f"at least {number(low)}" if low is not None else f"at most {number(high or 0)}"
    return f"`{option}` takes {bounds}{f' {unit}' if unit else ''}; you gave {number(given)}."


def accepted(job: Job, message_id: int) -> str:
    return f"Your {noun(job)} is queued as job `{job.id}`: {link(job, message_id)}"


def cancelled(job: Job) -> str:
    return f"Job `{job.id}` is cancelled. {spent(job)}"


def still_running(job: Job) -> Message:
    """Offers what is left to do about a job that its provider does not stop."""
    if job.discard:
        return Message(f"Job `{job.id}` runs on at {maker(job.provider)}; its result will be thrown away.")
    # Whether it has begun there, and what is billed of it, not every provider can say at every moment.
    paid = "; it may be charged whatever happens" if billed(job.provider) else ""
    content = (
        f"Job `{job.id}` is at {maker(job.provider)} already and could not be called back{paid}. "
        "Its result will be posted, unless you throw it away."
    )
    return Message(content, (Button(Verb.DISCARD, job.id, "Throw the result away"),))


def thrown_away(job: Job) -> str:
    spent = " What it costs is spent." if billed(job.provider) else ""
    return f"The result of job `{job.id}` will be thrown away; it will not be posted.{spent}"


def _state(job: Job) -> str:
    if job.state is JobState.AMBIGUOUS and not billed(job.provider):
        return "failed"
    unpaid = job.state in (JobState.ABANDONED, JobState.REFUSED)
    return _STATES[JobState.AMBIGUOUS if unpaid and job.charged else job.state]


def job_label(job: Job) -> str:
    """Plain text for a completion, at most 100 characters."""
    return plain(f"{job.id} · {_state(job)} · {plain(job.request.prompt, 60)}", 100)


def model_label(spec: ModelSpec) -> str:
    return plain(f"{spec.id} · usually {span(spec.usual_seconds)}", 100)


def job_line(job: Job, *, member: bool = False) -> str:
    who = f" · <@{job.to.member_id}>" if member else ""
    instead = f" in place of {name(job.asked_model)}" if job.asked_model else ""
    return f"`{job.id}` · {_state(job)} · {name(job.request.model)}{instead}{who} · {when(job.created_at)}"


def queue_list(waiting: Sequence[Job], mine: Sequence[Job]) -> list[str]:
    """This guild's unfinished jobs in their order, and the asking member's own latest."""
    order = [f"{index}. {job_line(job, member=True)}" for index, job in enumerate(waiting, 1)]
    return [
        one_page("**This guild's queue**", order or ["Nobody is waiting."]),
        one_page("**Your latest jobs**", [job_line(job) for job in mine] or ["You have not asked for anything yet."]),
    ]


def models_list(offers: Sequence[Offer]) -> list[str]:
    """Messages that say what each model takes, its limits, its usual time and its price."""
    if not offers:
        return ["No model is on offer here: none is configured, or a moderator has switched them off."]
    return pages(_model_line(offer) for offer in offers)


def _model_line(offer: Offer) -> str:
    spec = offer.spec
    bounds = duration_bounds(spec)
    facts = [
        listed([size.label for size in spec.sizes if size.label], "or"),
        f"`duration` {number(bounds[0])} to {number(bounds[1])} s{_shorter(spec)}" if bounds else "",
        _takes("fps", spec.fps),
        _takes("steps", spec.steps),
        _takes("guidance", spec.guidance),
        "`seed`" if spec.seed else "",
        "`negative_prompt`" if spec.negative_prompt else "",
        "`last_image`" if spec.last_image else "",
        _usual(offer),
        f"costs {number(offer.price)} for one try" if offer.price else "",
    ]
    made_by = f"**{name(spec.id)}** `{_COMMANDS[spec.capability]}` ({maker(spec.provider)}): "
    return made_by + " · ".join(fact for fact in facts if fact)


def _usual(offer: Offer) -> str:
    """As measured here, before that as documented."""
    measured = offer.measured
    if measured is None:
        return f"usually {span(offer.spec.usual_seconds)}"
    most, nine_in_ten = span(measured.median), span(measured.p90)
    return f"usually {most}" + (f", nine in ten within {nine_in_ten}" if nine_in_ten != most else "")


def _shorter(spec: ModelSpec) -> str:
    """The qualities at which a model's films have to be shorter."""
    longest = spec.duration.high if spec.duration else 0
    limits = {size.quality: size.max_duration for size in spec.sizes if size.max_duration and size.quality}
    parts = [f"{quality} to {number(limit)} s" for quality, limit in limits.items() if limit < longest]
    return f" ({listed(parts)})" if parts else ""


def _takes(label: str, option: Option | None) -> str:
    if option is None:
        return ""
    low = f"above {number(option.low)}" if option.above else number(option.low)
    return f"`{label}` {low} to {number(option.high)}"
