-- Guilds that the bot was thrown out of, and since when (epoch seconds).
CREATE TABLE departures (
    guild_id INTEGER PRIMARY KEY,
    left_at  REAL NOT NULL
) STRICT;
