-- R14, attempts that may have been paid for before the present one, and the model that a stand-in stands in for.
ALTER TABLE jobs ADD COLUMN charged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN held_from TEXT;
ALTER TABLE jobs ADD COLUMN asked_model TEXT;

-- What an attempt reserves, in the operator's currency (R13), and when the provider wants to be asked again (epoch).
ALTER TABLE attempts ADD COLUMN price REAL NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN retry_at REAL;

CREATE INDEX attempts_open ON attempts (provider, model) WHERE evidence IS NULL;

-- What the attempts say so far about a provider (no model) and its models. Folded, because nobody can read them all.
CREATE TABLE breakers (
    provider TEXT NOT NULL,
    model    TEXT NOT NULL,
    breaker  TEXT NOT NULL,
    PRIMARY KEY (provider, model)
) STRICT, WITHOUT ROWID;
