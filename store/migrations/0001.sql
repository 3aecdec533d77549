-- Times are microseconds since 1970, UTC; documents are JSON.
CREATE TABLE calls (
	id TEXT PRIMARY KEY,
	sequence BIGINT NOT NULL,
	status TEXT NOT NULL,
	outcome TEXT NOT NULL,
	rep_number TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	ended_at BIGINT NOT NULL,
	record TEXT NOT NULL
);
CREATE INDEX calls_status ON calls (status, id);
CREATE INDEX calls_created ON calls (created_at);

CREATE TABLE call_metadata (
	call_id TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
	key TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (call_id, key)
);
CREATE INDEX call_metadata_value ON call_metadata (key, value);

-- The stream that every consumer reads by seq: the outbox.
CREATE TABLE events (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	call_id TEXT NOT NULL,
	call_seq BIGINT NOT NULL,
	type TEXT NOT NULL,
	at BIGINT NOT NULL,
	event TEXT NOT NULL,
	record TEXT NOT NULL,
	UNIQUE (call_id, call_seq)
);
CREATE INDEX events_at ON events (at);

-- SIP legs that must be ended if we die.
CREATE TABLE legs (
	sip_call_id TEXT PRIMARY KEY,
	call_id TEXT NOT NULL,
	side TEXT NOT NULL,
	doc TEXT NOT NULL
);

CREATE TABLE idempotency (
	scope TEXT NOT NULL,
	key TEXT NOT NULL,
	body_hash TEXT NOT NULL,
	call_id TEXT NOT NULL,
	status BIGINT NOT NULL,
	answer TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_created ON idempotency (created_at);

CREATE TABLE api_keys (
	id TEXT PRIMARY KEY,
	hash TEXT NOT NULL,
	name TEXT NOT NULL,
	scopes TEXT NOT NULL,
	cidrs TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	last_used_at BIGINT NOT NULL,
	revoked_at BIGINT NOT NULL
);
