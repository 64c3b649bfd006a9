"""After a start turns go on as before, whichever provider asks first."""

from pathlib import Path

from tests.support.outside import ScriptedDirect
from tests.support.rows import GUILD, MEMBER, MODERATOR, OTHER_MEMBER
from tests.support.world import running


def two(*way):
    return [ScriptedDirect(*way), ScriptedDirect(*way, name="other")]


async def test_the_first_start_belongs_to_whose_turn_it_is_at_any_provider(tmp_path: Path):
    async with running(tmp_path, start=False, providers=two) as world:
        await world.policies.set_limits(GUILD, MODERATOR, {"active_per_guild": 1})
        first = await world.ask("other-model", member=OTHER_MEMBER)
        others = [await world.ask("chutes-model", member=MEMBER) for _ in range(3)]
        await world.start()
        for job in (first, *others):
            await world.ended(job)
        rows = await world.rows("SELECT job_id FROM attempts ORDER BY id")
        assert [name for (name,) in rows] == [first.id, *(job.id for job in others)]
