-- name: policy_of^
SELECT policy FROM policies WHERE guild_id = :guild_id;

-- name: save_policy!
INSERT INTO policies (guild_id, policy) VALUES (:guild_id, :policy)
ON CONFLICT (guild_id) DO UPDATE SET policy = excluded.policy;

-- name: insert_audit!
-- Append only, until all of the guild is forgotten.
INSERT INTO audit (guild_id, moderator_id, at, verb, before, after)
VALUES (:guild_id, :moderator_id, :at, :verb, :before, :after);

-- name: fact^
SELECT value FROM facts WHERE name = :name;

-- name: save_fact!
INSERT INTO facts (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value;
