"""The cogs, added to a client; and the commands as a table for readers."""

from collections.abc import Iterator
from typing import Any

from discord import app_commands

from bot.client import MatineeClient
from bot.jobs.catalog import Catalog
from bot.jobs.policy import Policies
from bot.jobs.service import Jobs
from bot.jobs.showing import Showing
from bot.ports import Clock
from cogs._cog import Core
from cogs._errors import answer_command_error
from cogs.admin import Admin
from cogs.generation import Generation
from cogs.jobs import JobsCog
from cogs.show import Show

_COGS = (Generation, JobsCog, Show, Admin)


async def add_cogs(
    client: MatineeClient, jobs: Jobs, catalog: Catalog, policies: Policies, clock: Clock, showing: Showing
) -> None:
    core = Core(jobs, catalog, policies, clock, showing)
    for cog in _COGS:
        await client.add_cog(cog(core))
    client.tree.error(answer_command_error)


def command_table() -> list[tuple[str, str, str]]:
    """Of every command, from its definition: name, options (a question mark follows optional ones), description."""
    return [
        (f"/{name}", " ".join(_option(parameter) for parameter in command.parameters), command.description)
        for cog in _COGS
        for name, command in _commands(cog)
    ]


def _option(parameter: app_commands.Parameter) -> str:
    return parameter.display_name + ("" if parameter.required else "?")


def _commands(cog: type) -> Iterator[tuple[str, app_commands.Command[Any, ..., Any]]]:
    prefix = "admin " if cog is Admin else ""
    for member in vars(cog).values():
        if isinstance(member, app_commands.Command) and member.parent is None:
            yield prefix + member.name, member
        elif isinstance(member, app_commands.Group):
            for command in member.walk_commands():
                if isinstance(command, app_commands.Command):
                    yield prefix + command.qualified_name, command
