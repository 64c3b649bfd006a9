"""All of Matinee on one machine: a local Discord, local providers, and the bot as its own process."""

from bot.demo.page import play
from bot.demo.script import rehearse

__all__ = ["play", "rehearse"]
