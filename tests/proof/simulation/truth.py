"""What the world outside saw, held against what the bot believes: the row of zeros and the honest row."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.proof.simulation import fold
from tests.proof.simulation.hall import Post
from tests.proof.simulation.process import DATABASE

if TYPE_CHECKING:
    from tests.proof.simulation.day import Theatre
    from tests.proof.simulation.process import Process

ZEROS = (
    "lost", "posted twice", "overpaid", "paid after failure shown", "stuck", "limit overshoot", "secrets found",
    "live mentions", "corrupt",
)  # fmt: skip
_FREE = ("refused", "abandoned")
_FILM = re.compile(r"-(\w+)\.\w+$")
_NAMED = re.compile(r"[Jj]ob `(\w+)`")
_ENDED = re.compile(r"\*\*(done|failed|cancelled|held)\*\*|(failed|cancelled) \(job|here is your")
_CANARY = b"canary-"


@dataclass
class Finding:
    """`zeros` name each thing that must not be; `honest` counts what may. `estimates`: promised and true seconds."""

    zeros: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in ZEROS})
    honest: Counter[str] = field(default_factory=Counter)
    estimates: list[tuple[float, float]] = field(default_factory=list)
    jobs: int = 0


@dataclass(frozen=True)
class _Row:
    id: str
    prompt: str
    state: str
    told: bool
    paying: int
    channel: int


async def examine(theatre: "Theatre", process: "Process", damaged: Sequence[str]) -> Finding:
    """`damaged`: why a process could not take the database that an earlier one has left."""
    finding = Finding()
    finding.zeros["corrupt"] += damaged
    if not process.ready:
        finding.zeros["stuck"] += ["no process lives"]
        return finding
    rows = [_Row(*row) for row in await process.rows(_ROWS)]
    finding.jobs = len(rows)
    films, said = _films(theatre.hall.posts), _said(theatre.hall.posts)
    _delivered(finding, theatre, rows, films, said)
    _paid(finding, theatre, rows, said)
    finding.zeros["stuck"] += [f"{row.id} {row.state}" for row in rows if not row.told]
    finding.zeros["limit overshoot"] += fold.overshoot(theatre)
    finding.zeros["live mentions"] += theatre.hall.live_mentions
    finding.zeros["secrets found"] += [*_secrets(theatre), *theatre.log.found]
    for pragma in ("integrity_check", "foreign_key_check"):
        found = await process.rows(f"PRAGMA {pragma}")
        finding.zeros["corrupt"] += [str(line) for line in found if line != ("ok",)]
    _estimates(finding, theatre, rows, films)
    return finding


_ROWS = """
SELECT id, json_extract(request, '$.prompt'), state, told,
       (SELECT count(*) FROM attempts WHERE job_id = jobs.id AND (evidence IS NULL OR evidence NOT IN ('E0', 'E1'))),
       channel_id
FROM jobs ORDER BY created_at, id
"""


def _films(posts: Iterable[Post]) -> dict[str, list[Post]]:
    found: dict[str, list[Post]] = defaultdict(list)
    for post in posts:
        for job in {match[1] for name in post.files if (match := _FILM.search(name))}:
            found[job].append(post)
    return found


def _said(posts: Iterable[Post]) -> dict[str, list[tuple[float, str]]]:
    found: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for post in posts:
        for at, text in post.texts:
            if (match := _NAMED.search(text)) is not None:
                found[match[1]].append((at, text))
    return found


def _delivered(
    finding: Finding, theatre: "Theatre", rows: list[_Row], films: dict[str, list[Post]], said: dict[str, Any]
) -> None:
    zeros = finding.zeros
    known = {row.id for row in rows}
    zeros["lost"] += [
        f"{job} was said to be queued, and no row knows it" for job in set(said) | set(films) if job not in known
    ]
    handed = {match[1] for post in theatre.hall.posts for name in post.handed if (match := _FILM.search(name))}
    finding.honest["handed over by /show"] = len(handed)
    for row in rows:
        posted = films.get(row.id, [])
        if row.state == "done" and not posted and row.id not in handed:
            zeros["lost"] += [f"{row.id} is done, and no film was ever posted"]
        if len(posted) > 1:
            excuse = _excuse(theatre, posted)
            if excuse is not None:
                finding.honest[excuse] += 1
            else:
                zeros["posted twice"] += [
                    f"{row.id}: " + ", ".join(f"{p.channel.id} {p.filled_at:.1f}" for p in posted)
                ]
        if any(
            data[:5] != b"film:" or row.prompt.encode() not in data for post in posted for data in post.files.values()
        ):
            zeros["corrupt"] += [f"{row.id} shows other bytes than the provider's"]
        if posted and row.state != "done":
            finding.honest[f"posted, but ended as {row.state}"] += 1
        finding.honest[row.state] += 1
        asked = theatre.crowd.believed.asks.get(row.prompt)
        if asked is not None and posted and any(asked.at < death < posted[0].filled_at for death in theatre.deaths):
            finding.honest["recovered"] += 1
    silent = [row for row in rows if row.told and not any(_ENDED.search(text) for _, text in said[row.id])]
    finding.honest["ended where nobody could be told"] = len(silent)
    closed = {channel.id for channel in theatre.hall.channels.values() if channel.refused or channel.gone}
    zeros["lost"] += [
        f"{row.id} {row.state}: its member was told nothing" for row in silent if row.channel not in closed
    ]
    for job, texts in said.items():
        notices = [
            text for _, text in texts if text.startswith("<@") and ("failed (job" in text or "cancelled (job" in text)
        ]
        if len(notices) > 1:
            finding.honest["told twice of a failure"] += 1
        _ = job


def _excuse(theatre: "Theatre", posted: list[Post]) -> str | None:
    """What the protocol says it cannot know (docs/protocol.md)."""
    if {name for post in posted for name in post.files} & theatre.hall.beyond_memory:
        return "posted again after a human deleted it and Discord forgot the nonce"
    by_edit = {bool(post.put_in): post for post in posted}
    if len(posted) == len(by_edit) == 2 and by_edit[True].channel is by_edit[False].channel:
        first = by_edit[False]
        # A process that dies takes with it what it knew; one that lives has no excuse.
        if first.in_sight and first.channel.hidden and any(death > first.at for death in theatre.deaths):
            return "shown in the queue message too: posted in sight, then a death and no right to look back"
    return None


def _paid(finding: Finding, theatre: "Theatre", rows: list[_Row], said: dict[str, list[tuple[float, str]]]) -> None:
    """Bills by prompt: a Retry asks with the same one, so each of its jobs may have cost once."""
    billed_at = {provider.name for provider in theatre.process.providers if provider.billed}  # type: ignore[union-attr]
    chains: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        chains[row.prompt].append(row)
    bills = Counter(work.prompt for work in theatre.studio.works if work.billed and work.provider in billed_at)
    for prompt, count in bills.items():
        jobs = chains.get(prompt, [])
        free = [row for row in jobs if row.state in _FREE or _told_that_it_is_free(said[row.id])]
        if count > len(jobs):
            finding.zeros["overpaid"] += [f"{prompt}: {count} bills, {len(jobs)} jobs"]
        elif count > len(jobs) - len(free):
            names = ", ".join(f"{row.id} {row.state}" for row in jobs)
            finding.zeros["paid after failure shown"] += [f"{prompt}: {count} bills, {names}"]
        if count > sum(row.paying for row in jobs):
            finding.zeros["overpaid"] += [f"{prompt}: {count} bills, the rows know of {sum(r.paying for r in jobs)}"]
    uncertain = [row for row in rows if row.state == "ambiguous"]
    finding.honest["uncertain"] = len(uncertain)
    charged = {work.job for work in theatre.studio.works if work.billed}
    finding.honest["of these truly charged"] = sum(row.id in charged for row in uncertain)


def _told_that_it_is_free(said: list[tuple[float, str]]) -> bool:
    """In words; or by Discord, which says that the command failed when no queue message was ever seen."""
    return any("Nothing was spent" in text for _, text in said) or not any("**queued**" in text for _, text in said)


def _secrets(theatre: "Theatre") -> list[str]:
    """The token of the bot, and those of interactions, wherever they could have been written."""
    places = {
        f"file {name}": bytes(file.data) for name, file in theatre.disk.files.items() if name.startswith(DATABASE)
    }
    places |= {f"message {post.id}": "".join(text for _, text in post.texts).encode() for post in theatre.hall.posts}
    return [place for place, content in places.items() if _CANARY in content]


def _estimates(finding: Finding, theatre: "Theatre", rows: list[_Row], films: dict[str, list[Post]]) -> None:
    first = {row.prompt: row for row in reversed(rows)}
    for ask in theatre.crowd.believed.asks.values():
        row = first.get(ask.prompt)
        posts = films.get(row.id) if row is not None else None
        if ask.promised is not None and posts and row is not None and row.state == "done":
            finding.estimates.append((ask.promised - fold.EPOCH - ask.at, posts[0].filled_at - ask.at))
