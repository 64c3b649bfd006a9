"""`/show`: how a job stands; and what could not be posted, delivered into the answer."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cogs_kit import Matinee
from test_over_sockets import TOKEN, addresses, running

from bot.domain.job import SHOWN_ELSEWHERE, Artifact, Cause, Job, JobState, MediaKind
from bot.sandbox.discord import Channel, Fault, Guild, Interaction, MemberDriver, Message, SandboxDiscord
from bot.sandbox.discord import Permission as May
from storage.database import Database

EDIT = "PATCH /webhooks/*/*/messages/@original"
FILM = b"film: a cat"
__all__ = ["addresses"]


@dataclass
class Hall:
    discord: SandboxDiscord
    matinee: Matinee
    guild: Guild
    channel: Channel
    alice: MemberDriver
    ben: MemberDriver
    mara: MemberDriver

    async def queued(self, **options: Any) -> Job:
        await self.alice.slash(self.channel, "video", **{"prompt": "a cat"} | options)
        while (job := max(await self.matinee.all_jobs(), key=lambda job: job.id)).state is JobState.RECEIVED:
            await asyncio.sleep(0.01)
        return job

    async def kept(self, size: int = len(FILM), **options: Any) -> Job:
        """A job whose film lies on the disk, and may not be posted."""
        job = await self.matinee.started(await self.queued(**options))
        content = FILM + bytes(size - len(FILM))
        (self.folder / f"{job.id}.mp4").write_bytes(content)
        film = Artifact(f"{job.id}.mp4", MediaKind.FILM, len(content), "ab" * 32, 832, 480, "h264", 81, 5.0)
        store, now = self.matinee.store, self.matinee.clock.now()
        job = await store.move(job, JobState.RESULT, artifact=film, made_at=now)
        job = await store.move(job, JobState.POSTING)
        job = await store.move(job, JobState.UNDELIVERABLE, cause=Cause.NO_PERMISSION, ended_at=now)
        return await store.note(job, told=True)

    @property
    def folder(self) -> Path:
        return self.matinee.file.parent

    async def show(self, job: Job, who: MemberDriver | None = None, where: Channel | None = None) -> Interaction:
        """Returns when the answer is more than a deferral."""
        reply = await (who or self.alice).slash(where or self.channel, "show", job=job.id)
        await self.discord.until(lambda: reply.message is not None and not reply.message.loading)
        return reply

    async def offered(self, who: MemberDriver, typed: str) -> set[str]:
        return {choice["value"] for choice in await who.complete(self.channel, "show", focused="job", job=typed)}

    async def row(self, job: Job) -> Job:
        found = await self.matinee.store.get(job.id)
        assert found is not None
        return found

    async def done(self, job: Job) -> Job:
        """The commit comes after the edit that everybody sees."""
        async with asyncio.timeout(5):
            while (row := await self.row(job)).state is not JobState.DONE:
                await asyncio.sleep(0.01)
        return row

    def films(self) -> list[Message]:
        return [message for message in self.discord.world.messages if message.attachments]


@pytest.fixture
async def hall(addresses: None, tmp_path: Path) -> AsyncIterator[Hall]:
    database = await Database.open(tmp_path / "matinee.db")
    async with SandboxDiscord(TOKEN) as discord:
        guild = discord.world.add_guild("Film Club")
        channel = guild.add_channel("general")
        guild.add_channel("films")
        for name in ("alice", "ben"):
            guild.add_member(discord.world.add_user(name))
        guild.add_member(discord.world.add_user("mara"), permissions=discord.PERMS_MODERATOR)
        matinee = Matinee(tmp_path, database, api_url=discord.api_url)
        await matinee.install()
        async with running(matinee.client, discord):
            await matinee.client.sync_commands(None)
            drivers = [discord.member(name, guild) for name in ("alice", "ben", "mara")]
            yield Hall(discord, matinee, guild, channel, *drivers)
        assert discord.complaints == []
    await database.close()


async def test_what_could_not_be_posted_comes_into_the_answer_for_everybody(hall: Hall) -> None:
    job = await hall.kept()
    reply = await hall.show(job)
    (film,) = hall.films()
    assert reply.message is film
    assert not film.ephemeral
    assert [file.filename for file in film.attachments] == [f"v-{job.id}.mp4"]
    assert "a cat" in film.content
    done = await hall.done(job)
    assert (done.state, done.result_message_id, done.told, done.cause) == (JobState.DONE, film.id, False, None)


async def test_it_is_delivered_once_and_then_linked(hall: Hall) -> None:
    job = await hall.kept()
    first = await hall.show(job)
    await hall.done(job)
    again = await hall.show(job)
    assert len(hall.films()) == 1
    assert again.ephemeral
    assert str(first.message.id) in again.message.content


@pytest.mark.parametrize("fault", [{"effect_then_status": 502}, {"status": 503}], ids=str)
async def test_an_edit_whose_answer_is_lost_is_repeated(hall: Hall, fault: dict) -> None:
    job = await hall.kept()
    hall.discord.faults.add(Fault(EDIT, **fault))
    await hall.show(job)
    (film,) = hall.films()
    assert len(film.attachments) == 1


async def test_what_fails_half_way_stays_kept_and_may_be_asked_for_again(hall: Hall) -> None:
    job = await hall.kept()
    hall.discord.faults.add(Fault(EDIT, status=400, code=50035))
    reply = await hall.show(job)
    assert "could not be delivered" in reply.message.content
    assert (await hall.row(job)).state is JobState.UNDELIVERABLE
    await hall.show(job)
    await hall.done(job)
    assert len(hall.films()) == 1


async def test_a_token_that_died_is_not_the_bots(hall: Hall) -> None:
    job = await hall.kept()
    hall.discord.faults.add(Fault(EDIT, status=401, code=0))
    await hall.show(job)
    assert (await hall.row(job)).state is JobState.UNDELIVERABLE
    await hall.show(job)
    await hall.done(job)


async def test_a_file_that_is_gone_is_said_to_be_to_who_asked(hall: Hall) -> None:
    job = await hall.kept()
    (hall.folder / f"{job.id}.mp4").unlink()
    reply = await hall.show(job)
    assert reply.message.ephemeral
    assert "not kept any more" in reply.message.content
    assert (await hall.row(job)).state is JobState.UNDELIVERABLE


async def test_in_another_channel_the_job_says_so_without_a_link(hall: Hall) -> None:
    job = await hall.kept()
    await hall.show(job, where=hall.guild.channels[1])
    done = await hall.done(job)
    assert (done.state, done.result_message_id, done.detail) == (JobState.DONE, None, SHOWN_ELSEWHERE)
    assert "another channel" in (await hall.show(job)).message.content


async def test_where_the_bot_may_not_attach_only_the_member_sees_it_and_it_stays_kept(hall: Hall) -> None:
    job = await hall.kept()
    hall.channel.set_permissions(hall.guild.bot, deny=May.ATTACH_FILES)
    reply = await hall.show(job)
    assert reply.message.ephemeral
    assert (await hall.row(job)).state is JobState.UNDELIVERABLE


async def test_what_was_put_off_in_private_is_delivered_there_and_stays_kept(hall: Hall) -> None:
    job, matinee = await hall.kept(), hall.matinee
    slow = threading.Event()
    reading = asyncio.create_task(matinee.database.read(lambda _connection: slow.wait()))
    showing = asyncio.create_task(hall.show(job))
    while not matinee.clock.waited_for:
        await asyncio.sleep(0.005)
    matinee.clock.advance(1.8)
    await hall.discord.until(lambda: hall.discord.interactions[-1].deferred)
    slow.set()
    await reading
    reply = await showing
    assert reply.message.ephemeral
    assert [file.filename for file in reply.message.attachments] == [f"v-{job.id}.mp4"]
    assert (await hall.row(job)).state is JobState.UNDELIVERABLE


@pytest.mark.parametrize("rule", ["only other channels", "blocked", "paused"])
async def test_what_moderators_do_not_let_into_a_channel_only_the_member_sees(hall: Hall, rule: str) -> None:
    job = await hall.kept()
    policies, mara = hall.matinee.policies, hall.mara.user.id
    match rule:
        case "only other channels":
            await policies.allow_channel(hall.guild.id, mara, hall.guild.channels[1].id)
        case "blocked":
            await policies.block(hall.guild.id, mara, hall.alice.user.id, "", None)
        case _:
            await policies.pause(hall.guild.id, mara, "")
    reply = await hall.show(job)
    assert reply.message.ephemeral
    assert [file.filename for file in reply.message.attachments] == [f"v-{job.id}.mp4"]
    assert (await hall.row(job)).state is JobState.UNDELIVERABLE
    await policies.clear_channels(hall.guild.id, mara)
    await policies.unblock(hall.guild.id, mara, hall.alice.user.id)
    await policies.resume(hall.guild.id, mara)
    await hall.show(job)
    await hall.done(job)


async def test_a_stranger_learns_nothing(hall: Hall) -> None:
    job = await hall.kept()
    reply = await hall.show(job, hall.ben)
    assert reply.ephemeral
    assert "somebody else's" in reply.message.content
    assert hall.films() == []


async def test_a_moderator_may_ask_for_it(hall: Hall) -> None:
    job = await hall.kept()
    await hall.show(job, hall.mara)
    assert len(hall.films()) == 1


async def test_a_waiting_job_is_told_in_private_with_all_that_is_known(hall: Hall) -> None:
    job = await hall.queued(model="wan2.1-14b", seed=77, spoiler=True)
    reply = await hall.show(job)
    assert reply.ephemeral
    words = reply.message.content
    for part in (job.id, "queued", "a cat", "seed 77", "spoiler", "Asked <t:", "Place 1", "not handed"):
        assert part in words, part
    assert reply.message.buttons == []


async def test_own_jobs_are_offered_in_any_state(hall: Hall) -> None:
    kept, waiting = await hall.kept(prompt="a red fox"), await hall.queued(prompt="a blue whale")
    assert await hall.offered(hall.alice, "") == {kept.id, waiting.id}
    assert await hall.offered(hall.alice, "FOX") == {kept.id}
    assert await hall.offered(hall.ben, "") == set()
