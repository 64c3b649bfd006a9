"""A guild's own rules: what moderators set, in force at once, kept, and recorded."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.domain.errors import NotAllowed, Rule
from bot.domain.generation import Capability
from bot.domain.limits import GuildLimits
from bot.ports import Block, Clock, GuildPolicy, PolicyStore


class Policies:
    """Reads from memory once a guild was seen; this process is the only writer."""

    def __init__(
        self,
        store: PolicyStore,
        operator: GuildLimits,
        clock: Clock,
        changed: Callable[[int], None] = lambda _guild_id: None,
    ) -> None:
        """`changed` is called with the guild after every change: one that was resumed starts at once."""
        self._store, self._operator, self._clock, self._changed = store, operator, clock, changed
        self._known: dict[int, GuildPolicy] = {}

    async def of(self, guild_id: int) -> GuildPolicy:
        if (known := self._known.get(guild_id)) is not None:
            return known
        stored = await self._store.policy(guild_id)
        # What was changed meanwhile is newer.
        return self._known.setdefault(guild_id, stored)

    def forget(self, guild_id: int) -> None:
        """The store has nothing of it any more."""
        self._known.pop(guild_id, None)

    @property
    def operator(self) -> GuildLimits:
        return self._operator

    async def limits(self, guild_id: int) -> GuildLimits:
        return self._operator.within((await self.of(guild_id)).own_limits)

    async def check_member(self, guild_id: int, channel_id: int, parent_id: int | None, member_id: int) -> GuildPolicy:
        """The guild's policy when this member may ask here now. A thread counts as its channel. Raises NotAllowed."""
        policy = await self.of(guild_id)
        block = policy.blocks.get(member_id)
        if block is not None and (block.until is None or block.until > self._clock.now()):
            raise NotAllowed(Rule.BLOCKED, block.reason, block.until)
        if policy.pause is not None:
            raise NotAllowed(Rule.PAUSED, policy.pause)
        if policy.channels and not policy.channels & {channel_id, parent_id}:
            raise NotAllowed(Rule.CHANNEL, " ".join(f"<#{channel}>" for channel in sorted(policy.channels)))
        return policy

    async def _change(
        self, guild_id: int, by: int, verb: str, alter: Callable[[GuildPolicy], GuildPolicy]
    ) -> GuildPolicy:
        changed = await self._store.change(guild_id, by, verb, self._clock.now(), alter)
        self._known[guild_id] = changed
        self._changed(guild_id)
        return changed

    async def set_limits(self, guild_id: int, by: int, own: Mapping[str, float]) -> GuildLimits:
        """Raises NotAllowed (BEYOND_OPERATOR), naming the first limit that is above the operator's, and that value."""
        for name, value in own.items():
            if value > getattr(self._operator, name):
                raise NotAllowed(Rule.BEYOND_OPERATOR, f"{name} {getattr(self._operator, name):g}")
        changed = await self._change(
            guild_id, by, "limits set", lambda policy: replace(policy, own_limits={**policy.own_limits, **own})
        )
        return self._operator.within(changed.own_limits)

    async def allow_model(self, guild_id: int, by: int, model: str) -> None:
        await self._change(guild_id, by, "models allow", lambda p: replace(p, denied=p.denied - {model}))

    async def deny_model(self, guild_id: int, by: int, model: str) -> None:
        await self._change(guild_id, by, "models deny", lambda p: replace(p, denied=p.denied | {model}))

    async def set_default(self, guild_id: int, by: int, capability: Capability, model: str) -> None:
        await self._change(
            guild_id, by, "models default", lambda p: replace(p, defaults={**p.defaults, capability.value: model})
        )

    async def allow_channel(self, guild_id: int, by: int, channel_id: int) -> GuildPolicy:
        return await self._change(
            guild_id, by, "channels allow", lambda p: replace(p, channels=p.channels | {channel_id})
        )

    async def clear_channels(self, guild_id: int, by: int) -> None:
        await self._change(guild_id, by, "channels clear", lambda p: replace(p, channels=frozenset()))

    async def block(self, guild_id: int, by: int, member_id: int, reason: str, until: float | None) -> None:
        block = Block(member_id, reason, until, by)
        await self._change(guild_id, by, "block", lambda p: replace(p, blocks={**p.blocks, member_id: block}))

    async def unblock(self, guild_id: int, by: int, member_id: int) -> bool:
        """False when nobody had blocked that member; nothing is recorded then."""
        if member_id not in (await self.of(guild_id)).blocks:
            return False
        await self._change(
            guild_id,
            by,
            "unblock",
            lambda p: replace(p, blocks={key: block for key, block in p.blocks.items() if key != member_id}),
        )
        return True

    async def pause(self, guild_id: int, by: int, reason: str) -> None:
        await self._change(guild_id, by, "pause", lambda p: replace(p, pause=reason))

    async def resume(self, guild_id: int, by: int) -> None:
        await self._change(guild_id, by, "resume", lambda p: replace(p, pause=None))
