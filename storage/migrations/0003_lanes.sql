-- A lane is a guild with waiting jobs at a provider; it is ready while `until` is NULL, and else left alone until then
-- (steady seconds; infinity: until something changes in the guild). The lowest turn goes first, then the lowest place.
-- Lanes and ring say nothing that jobs do not: every transaction that touches a job keeps them, a start rebuilds them.
CREATE TABLE lanes (
    place    INTEGER PRIMARY KEY,
    provider TEXT NOT NULL,
    guild_id INTEGER NOT NULL,
    turn     REAL NOT NULL,
    until    REAL,
    UNIQUE (provider, guild_id)
) STRICT;

CREATE INDEX lanes_ready ON lanes (provider, turn, place) WHERE until IS NULL;
CREATE INDEX lanes_later ON lanes (provider, until) WHERE until IS NOT NULL;
CREATE INDEX lanes_guild ON lanes (guild_id);

-- The turn that each provider has come to.
CREATE TABLE rounds (
    provider TEXT PRIMARY KEY,
    turn     REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- The members of a guild with waiting jobs, in the order of their turns.
CREATE TABLE ring (
    place     INTEGER PRIMARY KEY,
    guild_id  INTEGER NOT NULL,
    member_id INTEGER NOT NULL,
    UNIQUE (guild_id, member_id)
) STRICT;

CREATE INDEX ring_order ON ring (guild_id, place);

INSERT INTO lanes (provider, guild_id, turn)
SELECT provider, guild_id, 0
FROM jobs LEFT JOIN guild_turns USING (provider, guild_id)
WHERE state = 'queued' AND discard IS NULL
GROUP BY provider, guild_id
ORDER BY max(coalesce(served, 0)), min(queued_at);

INSERT INTO ring (guild_id, member_id)
SELECT guild_id, member_id
FROM jobs LEFT JOIN member_turns USING (guild_id, member_id)
WHERE state = 'queued' AND discard IS NULL
GROUP BY guild_id, member_id
ORDER BY max(coalesce(served, 0)), min(queued_at);

DROP TABLE guild_turns;
DROP TABLE member_turns;

DROP INDEX jobs_queued;
CREATE INDEX jobs_of_lane ON jobs (provider, guild_id, model, not_before) WHERE state = 'queued' AND discard IS NULL;
CREATE INDEX jobs_of_ring ON jobs (guild_id, member_id, queued_at) WHERE state = 'queued';
CREATE INDEX jobs_active_members ON jobs (guild_id, member_id) WHERE state IN ('submitting', 'submitted');

-- Limits count in steady seconds (bot.domain.limits.Moment), which no wall clock can turn. settled_steady is infinity
-- while an attempt is under way; boot is the machine's uptime at its start.
ALTER TABLE attempts ADD COLUMN started_steady REAL NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN settled_steady REAL NOT NULL DEFAULT 9e999;
ALTER TABLE attempts ADD COLUMN boot REAL;
UPDATE attempts SET started_steady = started_at, settled_steady = coalesce(settled_at, 9e999);

DROP INDEX attempts_starts;
CREATE INDEX attempts_starts ON attempts (guild_id, started_steady)
WHERE evidence IS NULL OR evidence NOT IN ('E0', 'E1');
CREATE INDEX attempts_made_at ON attempts (provider, id) WHERE evidence = 'made';
CREATE INDEX attempts_spent ON attempts (guild_id, settled_steady) WHERE price > 0;
