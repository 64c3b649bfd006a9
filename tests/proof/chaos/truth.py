"""What the outside world says at the end: who was billed, what stands in the channels, what the members were told.

Jobs are found by their queue messages, and matched with the provider's account by the mark in their prompts; Matinee's
own rows are only asked whether any of them is unfinished.
"""

import io
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property

import av
from PIL import Image

from bot.sandbox.discord import Message, User
from bot.sandbox.providers.records import Generation
from tests.proof.chaos.crowd import MARK, Crowd
from tests.proof.chaos.house import House

_JOB = re.compile(r"[Jj]ob `(\w+)`")
_QUEUE_MESSAGE = re.compile(r"^Job `(\w+)`")
_ENDED = ("**done**", "**failed**", "**cancelled**")
_CHARGED, _FREE, _KEPT = "may have been charged", "Nothing was spent", "The file is kept"
# Nobody bills a self-hosted provider; it may be asked twice.
_UNBILLED = "cogvideox"


@dataclass
class Told:
    """All that members saw of one job."""

    mark: str
    asked_at: float
    queue_message: Message
    films: list[Message] = field(default_factory=list)
    notices: list[Message] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return bool(self.films or self.notices) or any(word in self.queue_message.content for word in _ENDED)

    @property
    def settled(self) -> bool:
        """Nothing more is to be expected: its queue message says so too, or has become the film."""
        text = self.queue_message.content
        return self.ended and (any(word in text for word in _ENDED) or bool(self.queue_message.attachments))

    def said(self, words: str) -> bool:
        return any(words in each.content for each in self.notices)


class Truth:
    """A look at the stage as it is now; take another one later."""

    def __init__(self, house: House, crowd: Crowd) -> None:
        self._house, self._crowd = house, crowd
        self.messages = [each for each in house.discord.world.messages if each.author.bot and not each.ephemeral]

    @cached_property
    def jobs(self) -> dict[str, Told]:
        found: dict[str, Told] = {}
        for message in self.messages:
            if (mark := MARK.search(message.content)) and (job := _acknowledged(message)):
                found[job] = Told(mark.group(), message.at, message)
        for message in self.messages:
            if (named := _JOB.search(message.content)) and (told := found.get(named.group(1))):
                if message.attachments:
                    told.films.append(message)
                elif message is not told.queue_message:
                    told.notices.append(message)
        return found

    @cached_property
    def made(self) -> dict[str, list[Generation]]:
        """What the providers accepted, by mark."""
        found: dict[str, list[Generation]] = defaultdict(list)
        for generation in self._house.providers.generations:
            mark = MARK.search(str(generation.body.get("prompt", "")))
            found[mark.group() if mark else "?"].append(generation)
        return found

    def of_mark(self, mark: str) -> list[tuple[str, Told]]:
        return [(job, told) for job, told in self.jobs.items() if told.mark == mark]

    def billed(self, mark: str) -> list[Generation]:
        return [each for each in self.made.get(mark, []) if each.billed and each.provider != _UNBILLED]

    @property
    def unsettled(self) -> list[str]:
        return [job for job, told in self.jobs.items() if not told.settled]

    def lost(self) -> Iterator[str]:
        for job, told in self.jobs.items():
            if not told.ended:
                yield f"{job} ({told.mark}) was acknowledged and has no end: {told.queue_message.content[:120]!r}"

    def posted_twice(self) -> Iterator[str]:
        for job, told in self.jobs.items():
            if len(told.films) > 1 or len(told.notices) > len({each.channel.id for each in told.notices}):
                shown = [_shown(each) for each in (*told.films, *told.notices)]
                yield f"{job} ({told.mark}) has {len(told.films)} films, {len(told.notices)} notices: {shown}"

    def overpaid(self) -> Iterator[str]:
        for mark in self.made:
            if len(self.billed(mark)) > max(1, len(self.of_mark(mark))):
                yield f"{mark} was billed {len(self.billed(mark))} times for {len(self.of_mark(mark))} jobs"
            for job, told in self.of_mark(mark):
                if told.said(_FREE) and len(self.billed(mark)) >= len(self.of_mark(mark)):
                    yield f"{job} ({mark}) was told that nothing was spent, and was billed"

    def paid_after_failure(self) -> Iterator[str]:
        for mark, made in self.made.items():
            jobs = self.of_mark(mark)
            if not jobs:
                yield f"{mark} was made at {made[0].provider} for nobody who was told that it is queued"
            ends = sorted(told.notices[0].at for _, told in jobs if told.notices)
            for number, at in enumerate(ends, 1):
                after = [each for each in made if each.accepted_at > at]
                # Who bills nobody may be asked once more for each job that was cut off.
                each_job = 2 if all(each.provider == _UNBILLED for each in after) else 1
                if len(after) > (len(jobs) - number) * each_job:
                    shown = [_shown(each) for _, told in jobs for each in told.notices]
                    yield f"{mark} was made at {after[0].provider} {after[0].accepted_at:.1f} after {shown}"

    def live_mentions(self) -> Iterator[str]:
        for message in self.messages:
            asker = self._asker(message)
            if message.mention_everyone or message.mention_roles or {*message.notified} - {asker}:
                yield f"pinged {[each.username for each in message.notified]}: {message.content[:120]!r}"

    def _asker(self, message: Message) -> User | None:
        """Whom a message may ping: who sits in its channel, since every member has one to herself."""
        at_home = [seat.member.user for seat in self._crowd.seats if seat.channel is message.channel]
        return next(iter([*at_home, *message.channel.recipients]), None)

    def corrupt(self) -> Iterator[str]:
        for job, told in self.jobs.items():
            for file in [file for message in told.films for file in message.attachments]:
                if (problem := _undecodable(file.filename, file.data)) is not None:
                    yield f"{file.filename}: {problem}"
                elif file.filename.endswith(".mp4") and told.mark.encode() not in file.data:
                    yield f"{file.filename} was made for somebody else than {job} ({told.mark})"
        if (answer := self._rows("PRAGMA integrity_check")) != [("ok",)]:
            yield f"the database: {answer[:3]}"

    def stuck(self) -> Iterator[str]:
        for row in self._rows(
            "SELECT id, state, told, cause FROM jobs WHERE told = 0 OR state IN "
            "('received', 'queued', 'submitting', 'submitted', 'result', 'posting')"
        ):
            yield f"row {row}"

    def secrets_found(self) -> Iterator[str]:
        folder = self._house.folder
        tokens = [*self._house.secrets, *(each.token for each in self._house.discord.interactions)]
        places = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*")
                  if path.is_file() and path.name != "matinee.toml"}  # fmt: skip
        places["a message"] = "\n".join(each.text for each in self._house.discord.world.messages).encode()
        for place, text in places.items():
            for token in tokens:
                if token.encode() in text:
                    yield f"{token[:12]}... in {place}"

    def _rows(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self._house.folder / 'matinee.db'}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def uncertain(self) -> list[tuple[str, Told]]:
        return [(job, told) for job, told in self.jobs.items() if told.said(_CHARGED)]

    def told_elsewhere_too(self) -> int:
        """Failures told in direct messages, and again in the channel once that was open again."""
        return sum(len({each.channel.id for each in told.notices}) > 1 for told in self.jobs.values())

    def undeliverable(self) -> int:
        return sum(told.said(_KEPT) for told in self.jobs.values())

    def recovered(self, deaths: Sequence[float]) -> int:
        """Films of jobs whose queue message had been seen before a process died."""
        return sum(
            any(told.asked_at < death < film.at for death in deaths)
            for told in self.jobs.values()
            for film in told.films[:1]
        )


def _acknowledged(message: Message) -> str | None:
    """The job whose queue message this is; where a film could not be posted, that message becomes the film."""
    found = _QUEUE_MESSAGE.match(message.content)
    if found is None and message.interaction is not None:
        found = _JOB.search(message.content)
    return found.group(1) if found else None


def _shown(message: Message) -> str:
    return f"{message.at:.1f} in {message.channel.id}: {' '.join(message.content.splitlines()[1:])[:150]}"


def _undecodable(name: str, data: bytes) -> str | None:
    try:
        if name.endswith(".mp4"):
            with av.open(io.BytesIO(data)) as container:
                return None if sum(1 for _ in container.decode(video=0)) else "no frame"
        Image.open(io.BytesIO(data)).load()
    except (av.FFmpegError, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return None
