"""Matinee: short films and pictures for community guilds, made by providers, posted by a Discord bot."""
