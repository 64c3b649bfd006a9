"""What members read: complete, inert, within Discord's limits."""

import inspect
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import texts
from bot.domain import errors
from bot.domain.errors import BadPicture, Evidence, NotAllowed, PictureProblem, Rule, Scope
from bot.domain.generation import Capability, GenerationRequest
from bot.domain.health import WHOLE, Breaker, Trial, Trouble
from bot.domain.job import Artifact, Cause, Destination, InProgress, InQueue, Job, JobState, MediaKind
from bot.domain.limits import GuildLimits
from bot.domain.messages import Message, Verb
from bot.ports import Block, Measured, Offer, Outage, Place
from bot.providers.chutes import MODELS as CHUTES_MODELS
from bot.providers.chutes import ChutesProvider
from bot.providers.cogvideox import CogVideoXProvider
from bot.providers.pipelet import PipeletProvider
from bot.texts.words import billed

REQUESTER = 811111111111111111
HOSTILE = [
    "@everyone @here <@811111111111111112> <@&811111111111111113> <#811111111111111114>",
    "```\n# big\n``` **bold** [click](https://evil.example) </video:811111111111111115> <t:0:R> <:e:8111111111111111>",
    "`" * 300,
    "\u202e\u200b\u200d\u2066gnp.exe\u2069 \u0000\u0007\x1b[31m",
    "-# small\n> quote\n>>> more\n- list\n# header",
    "||spoiler|| ~~gone~~ __under__ https://discord.gg/abc",
    "\ud800 lone surrogate",
    "a\u2028b\u2029c\x85d",
    "𒐫" * 500,
]

JOB = Job(
    id="k7w2m9qdxx",
    interaction_id=1,
    to=Destination(guild_id=10, channel_id=20, member_id=REQUESTER, file_limit=20 << 20),
    request=GenerationRequest(Capability.TEXT_TO_VIDEO, "wan2.1-14b", "a cat", seed=42, steps=25, duration=5),
    provider="chutes",
    nonce="n0nce",
    created_at=1_000,
)
FILM = Artifact("v.mp4", MediaKind.FILM, 3_200_000, "0" * 64, 832, 480, "h264", 81, 5.0625)


def with_prompt(prompt: str, **changes: object) -> Job:
    request = replace(JOB.request, prompt=prompt, negative_prompt=prompt)
    return JOB._replace(request=request, detail=prompt, **changes)


def every_message(prompt: str) -> list[Message]:
    live = [state for state in JobState if not state.terminal]
    ends = [state for state in JobState if state.terminal]
    progress = [None, InQueue(2), InProgress(4, 24), InProgress()]
    shown = [
        texts.queue_message(with_prompt(prompt, state=state, tries=tries, not_before=9.0), Place(3, 2_000.0), step)
        for state in live
        for tries in (0, 2)
        for step in progress
    ]
    shown += [
        form(with_prompt(prompt, state=state, cause=cause, result_message_id=5, made_at=1_100.0))
        for state in ends
        for cause in (None, *Cause)
        for form in (texts.ending, texts.notice)
    ]
    made = with_prompt(prompt, state=JobState.POSTING, made_at=1_093.0)
    shown += [texts.result(made, FILM), texts.result(made, FILM, compressed_from=31_000_000)]
    return shown


def private_answers(words: str) -> list[str]:
    refused = [NotAllowed(rule, words) for rule in (Rule.BLOCKED, Rule.PAUSED)]
    return [
        *(texts.refusal(error) for error in refused),
        texts.admin.paused(words),
        texts.admin.blocks([Block(1, words, None, 2)], 0),
    ]


def outside_code(content: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"```\n[^`\n]*\n```", "", content))


def assert_inert(content: str, innocent: str) -> None:
    assert len(content.encode("utf-16-le")) // 2 <= 2000
    assert outside_code(content) == outside_code(innocent)
    assert "`" not in outside_code(content)
    hidden = {character for character in set(content) if unicodedata.category(character) in {"Cc", "Cf", "Co", "Cs"}}
    assert hidden <= {"\n"}


PLAIN = every_message("a cat")
PLAIN_ANSWERS = private_answers("a cat")


@settings(max_examples=250, deadline=None)
@given(
    st.text(min_size=1, max_size=300)
    | st.sampled_from(HOSTILE)
    | st.text(alphabet="`@<>#&:*_~|[]()/\\-\n\u200b\u202e \u00e9a1", min_size=1, max_size=300)
)
def test_no_prompt_mentions_or_renders_anything_outside_its_code_block(prompt: str) -> None:
    for message, innocent in zip(every_message(prompt), PLAIN, strict=True):
        assert_inert(message.content, innocent.content)
        assert message.mention in (None, REQUESTER)
        assert message.buttons == innocent.buttons
    for answer, innocent_answer in zip(private_answers(prompt), PLAIN_ANSWERS, strict=True):
        assert_inert(answer, innocent_answer)


@pytest.mark.parametrize("prompt", HOSTILE)
def test_hostile_prompts_are_shown_and_stay_inert(prompt: str) -> None:
    for message, innocent in zip(every_message(prompt), PLAIN, strict=True):
        assert_inert(message.content, innocent.content)


def test_a_long_prompt_is_cut_at_200_characters_with_an_ellipsis() -> None:
    assert texts.inert("x" * 2000) == "```\n" + "x" * 199 + "…\n```"


def test_a_queued_job_shows_its_id_model_options_place_and_a_cancel_button() -> None:
    message = texts.queue_message(JOB, Place(2, 1_800.0))
    assert "queued" in message.content
    assert "`k7w2m9qdxx` · wan2.1-14b" in message.content
    assert "5 s · steps 25 · seed 42" in message.content
    assert "Place 3 in this guild's queue. Ready <t:1800:R>." in message.content
    assert [button.label for button in message.buttons] == ["Cancel"]
    assert message.mention is None


def test_no_estimate_is_shown_before_there_are_figures() -> None:
    assert "<t:" not in texts.queue_message(JOB, Place(0, None)).content


def test_what_else_keeps_a_job_is_named() -> None:
    place = Place(0, 2_000.0)
    kept = {
        " Matinee is restarting; it starts after that.": replace(place, restarting=True),
        " A moderator has paused Matinee here; it starts after that.": Place(0, None, paused=True),
        " This guild has spent what it may in 24 hours; there is enough again <t:1900:R>. Ready <t:2000:R>.": replace(
            place, budget_at=1_900.0
        ),
        " This guild has spent or set aside what it may in 24 hours; it starts when there is enough again.": Place(
            0, None, budget_at=math.inf
        ),
    }
    for words, why in kept.items():
        assert texts.queue_message(JOB, why).content.endswith(f"Place 1 in this guild's queue.{words}")


def test_a_job_that_waits_for_its_provider_says_so() -> None:
    waiting = JOB._replace(state=JobState.QUEUED, tries=2, not_before=1_030.0, cause=Cause.BUSY)
    content = texts.queue_message(waiting, Place(0, None)).content
    assert "queued" in content
    assert "Waiting for its provider: Chutes is busy (tries: 2). Next try <t:1030:R>." in content


def test_a_next_try_is_not_named_while_something_else_keeps_it() -> None:
    waiting = JOB._replace(state=JobState.QUEUED, tries=2, not_before=1_030.0, cause=Cause.BUSY)
    paused = texts.queue_message(waiting, Place(0, None, paused=True)).content
    assert paused.endswith("Chutes is busy (tries: 2). A moderator has paused Matinee here; it starts after that.")
    poor = texts.queue_message(waiting, Place(0, None, budget_at=1_900.0)).content
    assert poor.endswith("This guild has spent what it may in 24 hours; there is enough again <t:1900:R>.")


def test_a_provider_that_named_its_own_time_used_up_no_try() -> None:
    waiting = JOB._replace(state=JobState.QUEUED, tries=0, not_before=1_030.0, cause=Cause.BUSY)
    content = texts.queue_message(waiting, Place(0, None)).content
    assert "Chutes is busy. Next try <t:1030:R>." in content


OUTAGES = [
    (Cause.UNREACHABLE, "wan2.1-14b", "Chutes does not answer for wan2.1-14b"),
    (Cause.FAILING, "wan2.1-14b", "Chutes keeps failing at wan2.1-14b"),
    (Cause.MODEL_GONE, "wan2.1-14b", "Chutes does not offer wan2.1-14b"),
    (Cause.UNAUTHORIZED, WHOLE, "Chutes does not accept this bot's key or account"),
    (Cause.NO_CREDIT, WHOLE, "Chutes finds no credit in this bot's account"),
]


@pytest.mark.parametrize(("cause", "model", "words"), OUTAGES)
def test_a_job_whose_model_is_not_asked_now_says_why_when_next_and_until_when(cause: Cause, model: str, words: str):
    place = Place(3, 2_000.0, Outage(Trouble("chutes", model, cause, 900.0, 1_060.0), 2_700.0))
    content = texts.queue_message(JOB._replace(state=JobState.QUEUED), place).content
    assert (
        f"Waiting: {words}. Next try <t:1060:R>. "
        "If it stays so, this job is dropped <t:2700:R> and costs nothing." in content
    )
    trying = replace(place, outage=Outage(replace(place.outage.trouble, again_at=math.inf), 2_700.0))
    assert f"{words}. It is being tried again now. If" in texts.queue_message(JOB, trying).content
    never = replace(place, outage=Outage(replace(place.outage.trouble, again_at=2_800.0), 2_700.0))
    assert f"{words}. If it stays so, this job is dropped <t:2700:R>" in texts.queue_message(JOB, never).content
    charged = JOB._replace(state=JobState.QUEUED, charged=1)
    assert "costs nothing more." in texts.queue_message(charged, place).content


def test_every_outage_has_its_words() -> None:
    told = {cause for cause, _, _ in OUTAGES}
    openings = [(Evidence.REFUSED, status) for status in (401, 402, 403, 404)]
    openings += [(evidence, None) for evidence in (Evidence.NOT_SENT, Evidence.AMBIGUOUS, Evidence.CHARGED_UNUSABLE)]
    for evidence, status in openings:
        for scope in (WHOLE, "wan2.1-14b"):
            breaker = Breaker(failures=(0.0,) * 4).after(Trial(1, 1, 1.0, evidence, status), scope)
            assert breaker.cause is None or breaker.cause in told


def test_a_stand_in_is_named_wherever_its_work_is_shown() -> None:
    words = "Made by wan2.1-14b in place of skyreels, which was out of order."
    job = JOB._replace(asked_model="skyreels")
    done = job._replace(state=JobState.DONE, result_message_id=5)
    shown = [texts.queue_message(job, Place(0, None)), texts.ending(done), texts.result(done, FILM)]
    assert all(words in message.content for message in shown)
    assert "wan2.1-14b in place of skyreels" in texts.queue_list([job], [])[0]
    assert "in place of" not in texts.queue_message(JOB).content


def test_what_an_earlier_try_may_have_cost_is_not_called_free() -> None:
    refused = JOB._replace(state=JobState.REFUSED, cause=Cause.UNREACHABLE, charged=1)
    assert "An earlier try may have been charged." in texts.notice(refused).content
    assert "Nothing was spent" not in texts.notice(refused).content


def test_what_an_earlier_try_may_have_cost_is_not_called_free_in_lists_either() -> None:
    refused = JOB._replace(state=JobState.REFUSED, cause=Cause.UNREACHABLE)
    assert "failed, nothing spent" in texts.queue_list([], [refused])[1]
    assert "nothing spent" not in texts.queue_list([], [refused._replace(charged=1)])[1]


@pytest.mark.parametrize(
    ("cause", "detail", "words"),
    [
        (Cause.REJECTED, "HTTP 400: nsfw_content", ": `nsfw_content`."),
        (Cause.REJECTED, "HTTP 400", "refused the request. "),
        (Cause.FAILED, "out of memory", ": `out of memory`."),
        (Cause.NO_ANSWER, "HTTP 500: overloaded", ": `overloaded`."),
        (Cause.NO_ANSWER, "ServerDisconnectedError", "no usable answer came back. "),
        (Cause.UNREACHABLE, "ClientConnectorError ECONNREFUSED", "hand the request over. "),
    ],
)
def test_members_read_a_providers_words_but_no_status_and_no_errors_name(cause: Cause, detail: str, words: str) -> None:
    content = texts.notice(JOB._replace(state=JobState.REFUSED, cause=cause, detail=detail)).content
    assert words in content
    assert "HTTP" not in content
    assert "Error" not in content


def test_who_was_refused_in_vain_is_not_said_to_have_started() -> None:
    refused = JOB._replace(state=JobState.REFUSED, cause=Cause.BUSY, started_at=1_005.0, ended_at=1_060.0, tries=6)
    lines = texts.report(refused).splitlines()
    assert lines[-2:] == ["Asked <t:1000:R> · ended <t:1060:R>.", "Tries: 6."]
    waiting = JOB._replace(state=JobState.QUEUED)
    assert texts.report(waiting).endswith("\nIt was not handed to a provider yet.")


def test_progress_and_the_providers_own_queue_are_shown() -> None:
    running = JOB._replace(state=JobState.SUBMITTED)
    assert "has done 4 of 24" in texts.queue_message(running, None, InProgress(4, 24)).content
    assert "position 3" in texts.queue_message(running, None, InQueue(2)).content


def test_what_will_be_thrown_away_is_not_announced() -> None:
    made = JOB._replace(state=JobState.RESULT, discard=Cause.BY_MEMBER)
    content = texts.queue_message(made).content
    assert content.endswith("The film is made.\nIts result will be thrown away.")
    assert "posted" not in content
    assert "will be posted here" in texts.queue_message(made._replace(discard=None)).content


def test_what_cannot_be_cancelled_any_more_has_no_cancel_button() -> None:
    for state in (JobState.RESULT, JobState.POSTING, JobState.DONE):
        assert texts.queue_message(JOB._replace(state=state, result_message_id=5)).buttons == ()
    assert texts.queue_message(JOB._replace(state=JobState.SUBMITTED, discard=Cause.BY_MEMBER)).buttons == ()


def test_a_finished_job_links_to_its_result() -> None:
    content = texts.ending(JOB._replace(state=JobState.DONE, result_message_id=77)).content
    assert "https://discord.com/channels/10/20/77" in content


def test_one_that_was_delivered_directly_links_to_nothing() -> None:
    content = texts.ending(JOB._replace(state=JobState.DONE, result_message_id=77, direct=True)).content
    assert "direct message" in content
    assert "https://" not in content


@pytest.mark.parametrize("state", [state for state in JobState if state.failed])
@pytest.mark.parametrize("cause", [None, *Cause])
def test_only_an_uncertain_job_may_have_been_charged(state: JobState, cause: Cause | None) -> None:
    job = JOB._replace(state=state, cause=cause)
    for message in (texts.ending(job), texts.notice(job)):
        assert "failed" in message.content
        unknown = state is JobState.LOST_RESULT and cause in (Cause.STUCK, Cause.RESULT_GONE, Cause.MODEL_GONE)
        assert ("may have been charged" in message.content) == (unknown or state is JobState.AMBIGUOUS)


@pytest.mark.parametrize("state", [JobState.AMBIGUOUS, JobState.LOST_RESULT, JobState.UNDELIVERABLE, JobState.POISON])
@pytest.mark.parametrize("cause", [None, *Cause])
def test_who_sends_no_bill_is_not_said_to_charge(state: JobState, cause: Cause | None) -> None:
    job = JOB._replace(state=state, cause=cause, provider="cogvideox")
    for content in (texts.ending(job).content, texts.notice(job).content, *texts.queue_list([], [job])):
        assert not re.search("may have been|counts as spent|cost again|bill", content)
    assert "Nothing was charged." in texts.notice(job).content


def test_a_job_that_runs_on_where_nobody_bills_is_not_said_to_be_paid_for() -> None:
    running = JOB._replace(state=JobState.SUBMITTING, provider="cogvideox")
    assert not re.search("paid|spent|costs", texts.still_running(running).content + texts.thrown_away(running))


@pytest.mark.parametrize("adapter", [ChutesProvider, CogVideoXProvider, PipeletProvider])
def test_whose_words_speak_of_money_is_as_its_adapter_says(adapter: type) -> None:
    assert billed(adapter.name) == adapter.billed


def test_a_model_may_be_missing_because_of_the_configuration_here() -> None:
    job = JOB._replace(state=JobState.REFUSED, cause=Cause.MODEL_GONE)
    assert "Chutes does not offer this model here any more. Nothing was spent." in texts.notice(job).content


def test_who_cancelled_it_at_its_provider_is_not_guessed() -> None:
    # A stop may have come between our own wish and its commit.
    job = JOB._replace(state=JobState.CANCELLED, cause=Cause.BY_PROVIDER, provider="pipelet")
    assert "It was cancelled at Pipelet. Whether Pipelet bills it is not known." in texts.notice(job).content


def test_a_failed_pipelet_job_says_what_is_not_known_about_its_bill() -> None:
    job = JOB._replace(state=JobState.LOST_RESULT, cause=Cause.FAILED, provider="pipelet")
    assert "Pipelet does not say whether a failed job is billed" in texts.notice(job).content


def test_a_cancellation_says_by_whom() -> None:
    for cause, words in ((Cause.BY_MEMBER, "member"), (Cause.BY_MODERATOR, "moderator"), (Cause.BY_PROVIDER, "Chutes")):
        content = texts.ending(JOB._replace(state=JobState.CANCELLED, cause=cause)).content
        assert "cancelled" in content
        assert words in content


def test_an_undeliverable_film_is_kept_and_the_days_are_named() -> None:
    job = JOB._replace(state=JobState.UNDELIVERABLE, cause=Cause.NO_PERMISSION)
    assert "kept for 7 days" in texts.ending(job).content
    assert "kept for 3 days" in texts.notice(job, keep_days=3).content
    assert f"`/show job:{job.id}` in an open channel delivers it" in texts.ending(job).content
    large = job._replace(cause=Cause.TOO_LARGE)
    assert f"`/show job:{job.id}` where larger files are allowed delivers it" in texts.ending(large).content


def test_discord_is_not_blamed_for_what_may_be_a_mistake_of_ours() -> None:
    ended = texts.ending(JOB._replace(state=JobState.UNDELIVERABLE, cause=Cause.DISCORD_REFUSED)).content
    assert "It could not be posted, and Matinee's log says why." in ended
    assert "Please tell the operator" in ended


def test_retry_is_offered_where_asking_again_makes_sense() -> None:
    def offered(state: JobState, cause: Cause) -> bool:
        ends = (
            texts.ending(JOB._replace(state=state, cause=cause)),
            texts.notice(JOB._replace(state=state, cause=cause)),
        )
        shown = [[button.verb for button in message.buttons] for message in ends]
        assert shown[0] == shown[1]
        return shown[0] == [Verb.RETRY]

    assert offered(JobState.AMBIGUOUS, Cause.NO_ANSWER)
    assert offered(JobState.LOST_RESULT, Cause.UNUSABLE)
    assert offered(JobState.REFUSED, Cause.BUSY)
    assert offered(JobState.REFUSED, Cause.STUCK)
    assert not offered(JobState.REFUSED, Cause.REJECTED)
    assert not offered(JobState.CANCELLED, Cause.BY_MEMBER)


def test_what_was_called_back_from_a_provider_that_stood_still_cost_nothing_and_may_be_asked_for_again() -> None:
    withdrawn = JOB._replace(state=JobState.REFUSED, cause=Cause.STUCK, provider="pipelet", detail="30 minutes")
    assert texts.ending(withdrawn).content.endswith("Nothing was spent. Press Retry to ask again.")


def test_a_notice_mentions_the_requester_and_names_the_job() -> None:
    message = texts.notice(JOB._replace(state=JobState.REFUSED, cause=Cause.REJECTED, detail="nsfw_content"))
    assert message.content.startswith(f"<@{REQUESTER}>")
    assert message.mention == REQUESTER
    assert "k7w2m9qdxx" in message.content
    assert "Chutes refused the request" in message.content
    assert "`nsfw_content`" in message.content
    assert "Nothing was spent." in message.content


def test_a_film_that_was_encoded_again_to_play_says_so() -> None:
    posting = JOB._replace(state=JobState.POSTING)
    assert "compressed" in texts.result(posting, replace(FILM, compressed=True)).content
    smaller = texts.result(posting, replace(FILM, compressed=True), compressed_from=31_000_000).content
    assert smaller.count("compressed") == 1


def test_a_result_carries_every_fact() -> None:
    message = texts.result(JOB._replace(state=JobState.POSTING, made_at=1_093.0), FILM)
    for fact in (f"<@{REQUESTER}>", "k7w2m9qdxx", "wan2.1-14b", "832x480", "5.06 s", "seed 42", "took 93 s", "3.2 MB"):
        assert fact in message.content
    assert "compressed" not in message.content
    assert message.mention == REQUESTER


def test_a_film_that_was_encoded_again_says_so_with_both_sizes() -> None:
    job = JOB._replace(state=JobState.POSTING, made_at=1_093.0)
    assert "compressed from 31.0 MB to 3.2 MB" in texts.result(job, FILM, compressed_from=31_000_000).content


def test_a_picture_has_no_length() -> None:
    picture = replace(FILM, kind=MediaKind.JPEG, frames=None, seconds=None)
    request = replace(JOB.request, capability=Capability.TEXT_TO_IMAGE, duration=None)
    content = texts.result(JOB._replace(request=request, made_at=1_010.0), picture).content
    assert "picture" in content
    assert "long" not in content


def user_errors() -> list[errors.UserError]:
    every: list[errors.UserError] = [
        errors.PromptLength("prompt", 2400, 1, 2000),
        errors.NotOffered("fps", "skyreels"),
        errors.OutOfBounds("steps", "wan2.1-14b", 99, 10, 30),
        errors.NoSuchSize("skyreels", "square", "high", ["landscape standard", "portrait standard"]),
        errors.NoSuchModel("qwen-image", "image"),
        errors.NoSuchModel("@everyone"),
        *(BadPicture(problem, 25) for problem in PictureProblem),
        *(errors.RateLimited(scope, 5, 1_234.2) for scope in Scope),
        *(NotAllowed(rule, "some detail", 1_234.2) for rule in Rule),
        *(NotAllowed(rule) for rule in Rule),
    ]
    return every


def test_every_kind_of_user_error_has_words() -> None:
    kinds = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.UserError) and kind not in (errors.UserError, errors.InvalidRequest)
    }
    assert {type(error) for error in user_errors()} == kinds
    for error in user_errors():
        words = texts.refusal(error)
        assert 20 < len(words) <= 2000
        assert "{" not in words
        assert "@everyone" not in words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.OutOfBounds("steps", "wan2.1-14b", 99, 10, 30), "`steps` takes 10 to 30 with wan2.1-14b; you gave 99."),
        (
            errors.OutOfBounds("guidance", "m", 0, 0, 7.5, above=True),
            "`guidance` takes more than 0 and up to 7.5 with m",
        ),
        (
            errors.OutOfBounds("seed", "m", 5_000_000_000, 0, 4_294_967_295),
            "0 to 4294967295 with m; you gave 5000000000.",
        ),
        (errors.OutOfBounds("duration", "m", float("nan"), 1, 5), "`duration` takes 1 to 5"),
        (errors.OutOfBounds("duration", "m", 2.5, 2, 7), "takes whole numbers from 2 to 7 with m; you gave 2.5."),
        (errors.PromptLength("prompt", 2400, 1, 2000), "`prompt` takes 1 to 2000 characters; you gave 2400."),
        (BadPicture(PictureProblem.TOO_MANY_PIXELS, 25), "25 megapixels"),
        (BadPicture(PictureProblem.EMPTY, option="last_image"), "`last_image` is empty"),
        (errors.RateLimited(Scope.GUILD, 50, 1_234.2), "<t:1235:R>"),
        (NotAllowed(Rule.BOT_PERMISSION, "Attach Files"), "**Attach Files**"),
        (NotAllowed(Rule.TOO_EXPENSIVE, "0.7 0.5"), "0.7 for one try, and 0.5 is the most in 24 hours"),
        (NotAllowed(Rule.BEYOND_OPERATOR, "jobs_per_hour 60"), "`jobs_per_hour` takes at most 60"),
        (NotAllowed(Rule.CHANNEL, "<#1> <#2>"), "<#1> or <#2>"),
    ],
)
def test_a_refusal_names_the_option_or_rule_and_its_bounds(error: errors.UserError, words: str) -> None:
    assert words in texts.refusal(error)


def test_a_refusal_names_models_that_can() -> None:
    error = errors.NotOffered("fps", "skyreels")
    error.able = ("wan2.1-14b", "wan22-fast-t2v")
    assert texts.refusal(error) == "skyreels does not take `fps`. wan2.1-14b or wan22-fast-t2v can do it."


def test_long_lists_stay_within_one_message_and_say_what_is_left_out() -> None:
    jobs = [JOB._replace(id=f"k7w2m9q{index:03}") for index in range(300)]
    waiting, mine = texts.queue_list(jobs, jobs)
    for page in (waiting, mine, texts.admin.recent(jobs)):
        assert len(page) <= 2000
        assert re.search(r"… and \d+ more\.", page)


@pytest.mark.parametrize("state", [JobState.SUBMITTING, JobState.SUBMITTED])
def test_what_could_not_be_called_back_is_not_said_to_have_begun_or_to_cost(state: JobState) -> None:
    # It may be on its way still, its provider may not answer, or may not be configured now.
    words = texts.still_running(JOB._replace(state=state, provider="pipelet")).content
    assert "may be charged" in words
    assert not re.search("started|paid|stopped", words)


def test_a_running_job_offers_to_throw_its_result_away() -> None:
    message = texts.still_running(JOB._replace(state=JobState.SUBMITTED))
    assert [(button.verb, button.label) for button in message.buttons] == [(Verb.DISCARD, "Throw the result away")]


def test_limits_are_shown_beside_the_operators() -> None:
    own, operator = GuildLimits(2.5, 1, 1, 1, 1, 1), GuildLimits(60, 5, 4, 2, 10, 5000)
    words = texts.admin.limits(own, operator)
    assert "`jobs_per_hour` 2.5 (the operator allows 60)" in words
    assert "5000" in words


WAN = CHUTES_MODELS[0]


def test_a_model_says_how_long_it_takes_as_documented_until_that_was_measured() -> None:
    (documented,) = texts.models_list([Offer(WAN)])
    assert documented.endswith(" · usually 4 min")
    assert "(Chutes)" in documented
    (measured,) = texts.models_list([Offer(WAN, measured=Measured(150.2, 299.6))])
    assert measured.endswith(" · usually 2 min 30 s, nine in ten within 5 min")
    (once,) = texts.models_list([Offer(WAN, measured=Measured(3600, 3600))])
    assert once.endswith(" · usually 60 min")


def test_a_model_says_what_it_costs_where_the_operator_has_said_so() -> None:
    assert "cost" not in texts.models_list([Offer(WAN)])[0]
    assert texts.models_list([Offer(WAN, price=0.25)])[0].endswith(" · costs 0.25 for one try")


def test_a_provider_that_only_another_version_knows_goes_by_its_id() -> None:
    refused = JOB._replace(provider="luma*", state=JobState.REFUSED, cause=Cause.REJECTED)
    assert "Luma refused the request" in texts.ending(refused).content


@pytest.mark.parametrize("say", [texts.admin.held, texts.admin.released, texts.admin.dropped])
def test_whoever_looks_after_held_jobs_hears_that_there_may_be_more_than_are_named(say: Callable) -> None:
    held = [JOB._replace(id=f"held{number:06}", state=JobState.HELD) for number in range(25)]
    assert "These are the newest 25; there may be more." in say(held)
    assert "more." not in say(held[:3])
    assert len(say(held)) <= 2000
