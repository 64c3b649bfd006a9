"""What a member reads when a request cannot be done: which option or rule, what is allowed, and when."""

from typing import assert_never

from bot.domain.errors import (
    BadPicture,
    InvalidRequest,
    NoSuchModel,
    NoSuchSize,
    NotAllowed,
    NotOffered,
    OutOfBounds,
    PictureProblem,
    PromptLength,
    RateLimited,
    Rule,
    Scope,
    UserError,
)
from bot.texts.words import code, listed, name, number, size, when

_PICTURES: dict[PictureProblem, str] = {
    PictureProblem.EMPTY: "is empty",
    PictureProblem.NOT_A_PICTURE: "is not a picture, whatever its name says",
    PictureProblem.UNSUPPORTED: "is of a kind that is not taken here; JPEG, PNG, WebP, GIF, HEIC and AVIF are",
    PictureProblem.DAMAGED: "is damaged or cut off, so it cannot be read to its end",
    PictureProblem.TOO_MANY_PIXELS: "has too many pixels; {limit} megapixels is the most",
    PictureProblem.TOO_MANY_BYTES: "is too large a file; {size} is the most",
    PictureProblem.TOO_SMALL: "is too small; each side needs at least {limit} pixels",
    PictureProblem.TOO_COSTLY: "takes too much time or memory to read",
    PictureProblem.UNREACHABLE: "can no longer be fetched; please attach it again",
}

_RULES: dict[Rule, str] = {
    Rule.GUILD_ONLY: "Matinee works in the channels and threads of a guild only, where it was added to the guild.",
    Rule.BLOCKED: "A moderator has blocked you from Matinee in this guild{until}.{reason}",
    Rule.PAUSED: "A moderator has paused Matinee in this guild; it is on again when a moderator resumes it.{reason}",
    Rule.CHANNEL: "Matinee is not allowed in this channel. It is allowed in {channels}.",
    Rule.MODEL_DENIED: "A moderator has switched {model} off in this guild. `/models` lists what is on.",
    Rule.NO_MODEL: "There is no model for `/{detail}` here: none is configured, or a moderator has switched them off.",
    Rule.BOT_PERMISSION: (
        "Matinee could not post the result here: it lacks the permission **{detail}** in this channel. "
        "A moderator can give it; nothing was spent."
    ),
    Rule.MODERATOR: "Only moderators may do that: it needs the permission Manage Server here, now.",
    Rule.NOT_YOURS: (
        "That job is somebody else's. Only they may retry it; only they or a moderator may see or cancel it."
    ),
    Rule.NO_SUCH_JOB: "There is no such job in this guild. `/queue` lists yours with their ids.",
    Rule.TOO_LATE: "It is too late for that: the job has moved on. `/show` says how it stands.",
    Rule.HELD: (
        "That job is held since a backup was restored. A moderator lets it go on or drops it with `/admin held`."
    ),
    Rule.ALREADY_RETRIED: "That job was retried already; a job can be retried once.",
    Rule.STALE_BUTTON: "That button is from another version of Matinee, or not one of its own. Nothing was done.",
    Rule.BEYOND_OPERATOR: "That is more than the operator allows: {limit}.",
    Rule.TOO_EXPENSIVE: (
        "That costs more than this guild may spend: {option} for one try, and {most} is the most in 24 hours. "
        "`/models` lists others."
    ),
}


def refusal(error: UserError) -> str:
    """One private answer, at most a few sentences. What was typed is never repeated, except numbers."""
    match error:
        case InvalidRequest():
            return _invalid(error) + _able(error)
        case RateLimited():
            return _full(error)
        case NotAllowed():
            return _forbidden(error)
        case _:
            raise TypeError(f"no words for {type(error).__name__}")


def _invalid(error: InvalidRequest) -> str:
    match error:
        case PromptLength():
            return f"`{error.option}` takes {error.low} to {error.high} characters; you gave {error.length}."
        case NotOffered():
            return f"{name(error.model)} does not take `{error.option}`."
        case OutOfBounds():
            return f"`{error.option}` takes {_range(error)} with {name(error.model)}; you gave {number(error.value)}."
        case NoSuchSize():
            wanted = " ".join(part for part in (error.aspect, error.quality) if part)
            return f"{name(error.model)} makes {listed(error.offered, 'or')}, not {wanted} (`aspect`, `quality`)."
        case NoSuchModel():
            return _unknown_model(error)
        case BadPicture():
            limit = error.limit or 0
            problem = _PICTURES[error.problem].format(limit=limit, size=size(limit))
            return f"The picture in `{error.option}` {problem}."
        case _:
            raise TypeError(f"no words for {type(error).__name__}")


def _range(error: OutOfBounds) -> str:
    low, high = number(error.low), number(error.high)
    if error.low < error.value < error.high:
        return f"whole numbers from {low} to {high}"
    unit = " seconds" if error.option == "duration" else ""
    if error.above:
        return f"more than {low} and up to {high}{unit}"
    return (f"exactly {low}" if low == high else f"{low} to {high}") + unit


def _unknown_model(error: NoSuchModel) -> str:
    if error.command is not None:
        return f"`model`: {name(error.model)} is for `/{error.command}`, not for this command."
    return "`model`: there is no such model for this command here. `/models` lists them."


def _able(error: InvalidRequest) -> str:
    models = [name(model) for model in error.able]
    return f" {listed(models, 'or')} can do it." if models else ""


def _full(error: RateLimited) -> str:
    jobs = f"{error.limit} job{'s' if error.limit != 1 else ''}"
    match error.scope:
        case Scope.GUILD:
            what = f"This guild's queue is full: {jobs} may wait here at a time."
        case Scope.MEMBER:
            what = f"Your part of the queue is full: {jobs} of one member may wait here at a time."
        case _:
            assert_never(error.scope)
    return f"{what} There is room again {when(error.retry_at)}."


def _forbidden(error: NotAllowed) -> str:
    option, _, most = error.detail.partition(" ")
    return _RULES[error.rule].format(
        detail=error.detail,
        model=name(error.detail),
        channels=listed(error.detail.split()[:20], "or"),
        limit=f"`{option}` takes at most {most}",
        option=option,
        most=most,
        reason=f" The reason given: {code(error.detail)}" if error.detail else "",
        until=f"; it ends {when(error.until)}" if error.until is not None else " until a moderator lifts it",
    )
