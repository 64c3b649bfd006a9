"""Options as Discord promises them: known names, declared types, listed choices. A payload can still be crafted."""

import math
from collections.abc import Sequence

import discord
from discord import AppCommandOptionType as Kind
from discord import app_commands

from bot import texts
from cogs._place import Interaction

_KINDS: dict[Kind, tuple[tuple[type, ...], str]] = {
    Kind.string: ((str,), "text"),
    Kind.integer: ((int,), "a whole number"),
    Kind.number: ((int, float), "a number"),
    Kind.boolean: ((bool,), "true or false"),
    Kind.user: ((discord.User, discord.Member), "a member"),
    Kind.channel: ((app_commands.AppCommandChannel, app_commands.AppCommandThread), "a channel"),
    Kind.attachment: ((discord.Attachment,), "an attached file"),
}


class BadOption(Exception):
    """`words` is what the member is told."""

    def __init__(self, words: str) -> None:
        super().__init__("an option is not as the command declares it")
        self.words = words


def check(interaction: Interaction) -> None:
    """Raises BadOption, or CommandSignatureMismatch for a name that the command does not have."""
    command = interaction.command
    if not isinstance(command, app_commands.Command):
        return
    declared = {parameter.display_name: parameter for parameter in command.parameters}
    for name, value in interaction.namespace:
        if name not in declared:
            raise app_commands.CommandSignatureMismatch(command)
        _check_kind(name, declared[name].type, value)
        _check_choice(name, declared[name].choices, value)
        _check_range(declared[name], value)


def _check_kind(name: str, kind: Kind, value: object) -> None:
    types, words = _KINDS[kind]
    is_flag_for_number = isinstance(value, bool) and bool not in types
    if not isinstance(value, types) or is_flag_for_number or not _storable(value):
        raise BadOption(texts.wrong_kind(name, words))


def _storable(value: object) -> bool:
    if isinstance(value, str):
        # JSON can carry half a surrogate pair, which no database and no other service takes.
        return not any("\ud800" <= character <= "\udfff" for character in value)
    # Beyond this Python cannot compare a whole number with a bound that has decimals.
    return not isinstance(value, int | float) or (abs(value) < 10**300 and math.isfinite(value))


def _check_choice(name: str, choices: Sequence[app_commands.Choice[str | int | float]], value: object) -> None:
    if choices and value not in [choice.value for choice in choices]:
        raise BadOption(texts.not_a_choice(name, [choice.name for choice in choices]))


def _check_range(parameter: app_commands.Parameter, value: object) -> None:
    amount = len(value) if isinstance(value, str) else value
    low, high = parameter.min_value, parameter.max_value
    if not isinstance(amount, int | float) or ((low is None or amount >= low) and (high is None or amount <= high)):
        return
    unit = "characters" if isinstance(value, str) else ""
    raise BadOption(texts.out_of_range(parameter.display_name, low, high, amount, unit))
