-- name: first_ready^
SELECT guild_id, turn FROM lanes WHERE provider = :provider AND until IS NULL ORDER BY turn, place LIMIT 1;

-- name: lanes_of_guild
SELECT provider FROM lanes WHERE guild_id = :guild_id;

-- name: join_lane!
-- Behind all that wait, as if it had just been served: idling earns nothing, and who waits already is not passed.
INSERT INTO lanes (provider, guild_id, turn)
VALUES (:provider, :guild_id, :stride + coalesce((SELECT turn FROM rounds WHERE provider = :provider), 0))
ON CONFLICT (provider, guild_id) DO UPDATE SET until = NULL, turn = max(turn, excluded.turn - :stride);

-- name: leave_lane!
DELETE FROM lanes
WHERE provider = :provider AND guild_id = :guild_id
      AND NOT EXISTS (SELECT 1 FROM jobs WHERE provider = :provider AND guild_id = :guild_id
                      AND state = 'queued' AND discard IS NULL);

-- name: lane_served!
UPDATE lanes SET turn = :turn, place = (SELECT max(place) + 1 FROM lanes)
WHERE provider = :provider AND guild_id = :guild_id;

-- name: leave_alone!
UPDATE lanes SET until = :until WHERE provider = :provider AND guild_id = :guild_id;

-- name: wake_due!
UPDATE lanes SET until = NULL, turn = max(turn, coalesce((SELECT turn FROM rounds WHERE provider = :provider), 0))
WHERE provider = :provider AND until <= :now;

-- name: wake_guild!
-- Something in the guild has changed: a job has left its place, a rule of the guild is another.
UPDATE lanes
SET until = NULL,
    turn = max(turn, coalesce((SELECT rounds.turn FROM rounds WHERE rounds.provider = lanes.provider), 0))
WHERE guild_id = :guild_id AND until IS NOT NULL;

-- name: next_due^
SELECT min(until) AS until FROM lanes WHERE provider = :provider AND until IS NOT NULL;

-- name: round_is!
INSERT INTO rounds (provider, turn) VALUES (:provider, :turn)
ON CONFLICT (provider) DO UPDATE SET turn = max(turn, excluded.turn);

-- name: ring
SELECT member_id FROM ring WHERE guild_id = :guild_id ORDER BY place;

-- name: join_ring!
INSERT INTO ring (guild_id, member_id) VALUES (:guild_id, :member_id) ON CONFLICT DO NOTHING;

-- name: leave_ring!
DELETE FROM ring
WHERE guild_id = :guild_id AND member_id = :member_id
      AND NOT EXISTS (SELECT 1 FROM jobs WHERE guild_id = :guild_id AND member_id = :member_id
                      AND state = 'queued' AND discard IS NULL);

-- name: member_served!
UPDATE ring SET place = (SELECT max(place) + 1 FROM ring) WHERE guild_id = :guild_id AND member_id = :member_id;

-- name: lost_lanes!
DELETE FROM lanes
WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.provider = lanes.provider AND jobs.guild_id = lanes.guild_id
                  AND state = 'queued' AND discard IS NULL);

-- name: missing_lanes!
INSERT INTO lanes (provider, guild_id, turn)
SELECT provider, guild_id, coalesce((SELECT turn FROM rounds WHERE rounds.provider = jobs.provider), 0)
FROM jobs
WHERE state = 'queued' AND discard IS NULL
GROUP BY provider, guild_id
ORDER BY min(queued_at)
ON CONFLICT DO NOTHING;

-- name: wake_all!
UPDATE lanes
SET until = NULL,
    turn = max(turn, coalesce((SELECT rounds.turn FROM rounds WHERE rounds.provider = lanes.provider), 0))
WHERE until IS NOT NULL;

-- name: lost_in_ring!
DELETE FROM ring
WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.guild_id = ring.guild_id AND jobs.member_id = ring.member_id
                  AND state = 'queued' AND discard IS NULL);

-- name: missing_in_ring!
INSERT INTO ring (guild_id, member_id)
SELECT guild_id, member_id
FROM jobs
WHERE state = 'queued' AND discard IS NULL
GROUP BY guild_id, member_id
ORDER BY min(queued_at)
ON CONFLICT DO NOTHING;
