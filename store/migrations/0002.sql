ALTER TABLE calls ADD COLUMN rep_id TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN test BIGINT NOT NULL DEFAULT 0;
CREATE INDEX calls_rep ON calls (rep_id, id);

-- Events of reps stand in the same stream: call_id is then the rep, call_seq the
-- rep's version. rep_id is whose event it is.
ALTER TABLE events ADD COLUMN rep_id TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN test BIGINT NOT NULL DEFAULT 0;

ALTER TABLE api_keys ADD COLUMN test BIGINT NOT NULL DEFAULT 0;

CREATE TABLE reps (
	id TEXT PRIMARY KEY,
	test BIGINT NOT NULL,
	external_id TEXT NOT NULL,
	version BIGINT NOT NULL,
	doc TEXT NOT NULL
);
CREATE UNIQUE INDEX reps_external ON reps (test, external_id) WHERE external_id <> '';

-- One-time links and the cookies they become; only hashes.
CREATE TABLE rep_tokens (
	hash TEXT PRIMARY KEY,
	rep_id TEXT NOT NULL REFERENCES reps (id) ON DELETE CASCADE,
	kind TEXT NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX rep_tokens_expires ON rep_tokens (expires_at);
