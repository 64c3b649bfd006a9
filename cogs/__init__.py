"""Discord's commands and buttons: interaction to domain to text, nothing else."""

from cogs._install import add_cogs, command_table

__all__ = ["add_cogs", "command_table"]
