CREATE TABLE jobs (
    id                TEXT PRIMARY KEY,
    interaction_id    INTEGER NOT NULL UNIQUE,
    guild_id          INTEGER NOT NULL,
    channel_id        INTEGER NOT NULL,
    member_id         INTEGER NOT NULL,
    file_limit        INTEGER NOT NULL,
    model             TEXT NOT NULL,
    provider          TEXT NOT NULL,
    request           TEXT NOT NULL,
    nonce             TEXT NOT NULL UNIQUE,
    created_at        REAL NOT NULL,
    state             TEXT NOT NULL,
    epoch             INTEGER NOT NULL DEFAULT 0,
    ack_message_id    INTEGER,
    queued_at         REAL,
    not_before        REAL NOT NULL DEFAULT 0,
    tries             INTEGER NOT NULL DEFAULT 0,
    repeated          INTEGER NOT NULL DEFAULT 0,
    first_try_at      REAL,
    attempt_id        INTEGER,
    started_at        REAL,
    remote            TEXT,
    discard           TEXT,
    artifact          TEXT,
    made_at           REAL,
    result_message_id INTEGER,
    direct            INTEGER NOT NULL DEFAULT 0,
    cause             TEXT,
    detail            TEXT NOT NULL DEFAULT '',
    told              INTEGER NOT NULL DEFAULT 0,
    ended_at          REAL,
    retry_of          TEXT UNIQUE REFERENCES jobs (id),
    has_files         INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX jobs_queued ON jobs (provider, guild_id, member_id, queued_at) WHERE state = 'queued';
CREATE INDEX jobs_waiting ON jobs (guild_id, member_id) WHERE state IN ('received', 'queued');
CREATE INDEX jobs_active ON jobs (provider, guild_id, member_id) WHERE state IN ('submitting', 'submitted');
CREATE INDEX jobs_untold ON jobs (created_at) WHERE told = 0;
CREATE INDEX jobs_recent ON jobs (guild_id, created_at);
CREATE INDEX jobs_member ON jobs (guild_id, member_id, created_at);
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE has_files = 1;

-- One paid submission. evidence is NULL while it is under way; E0 and E1 cost nothing and do not count as starts.
CREATE TABLE attempts (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id         TEXT NOT NULL REFERENCES jobs (id),
    guild_id       INTEGER NOT NULL,
    provider       TEXT NOT NULL,
    capability     TEXT NOT NULL,
    model          TEXT NOT NULL,
    size           INTEGER,
    request_sha256 TEXT NOT NULL,
    started_at     REAL NOT NULL,
    settled_at     REAL,
    evidence       TEXT,
    status         INTEGER
) STRICT;

CREATE INDEX attempts_starts ON attempts (guild_id, started_at) WHERE evidence IS NULL OR evidence NOT IN ('E0', 'E1');
CREATE INDEX attempts_made ON attempts (model, capability, size, id) WHERE evidence = 'made';
CREATE INDEX attempts_job ON attempts (job_id);

-- Whose turn it is: the id of the last attempt that a guild had at a provider, a member had in a guild.
CREATE TABLE guild_turns (
    provider TEXT NOT NULL,
    guild_id INTEGER NOT NULL,
    served   INTEGER NOT NULL,
    PRIMARY KEY (provider, guild_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE member_turns (
    guild_id  INTEGER NOT NULL,
    member_id INTEGER NOT NULL,
    served    INTEGER NOT NULL,
    PRIMARY KEY (guild_id, member_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE policies (
    guild_id INTEGER PRIMARY KEY,
    policy   TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    guild_id     INTEGER NOT NULL,
    moderator_id INTEGER NOT NULL,
    at           REAL NOT NULL,
    verb         TEXT NOT NULL,
    before       TEXT NOT NULL,
    after        TEXT NOT NULL
) STRICT;

CREATE INDEX audit_guild ON audit (guild_id, id);

CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
