CREATE TABLE webhook_endpoints (
	id TEXT PRIMARY KEY,
	test BIGINT NOT NULL,
	doc TEXT NOT NULL
);

-- One event on its way to one endpoint, written in the event's transaction.
-- waiting = behind an earlier event of the same call; dead = given up.
CREATE TABLE deliveries (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	endpoint_id TEXT NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
	seq BIGINT NOT NULL,
	subject TEXT NOT NULL,
	state TEXT NOT NULL,
	passed BIGINT NOT NULL DEFAULT 0, -- later events of the call need not wait for it
	attempts BIGINT NOT NULL DEFAULT 0,
	created_at BIGINT NOT NULL,
	next_at BIGINT NOT NULL,
	last_at BIGINT NOT NULL DEFAULT 0,
	code BIGINT NOT NULL DEFAULT 0,
	took BIGINT NOT NULL DEFAULT 0,
	answer TEXT NOT NULL DEFAULT '',
	error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, next_at, seq) WHERE state = 'pending';
CREATE INDEX deliveries_line ON deliveries (endpoint_id, subject, seq) WHERE state IN ('pending', 'waiting');
CREATE INDEX deliveries_list ON deliveries (endpoint_id, id);
CREATE INDEX deliveries_seq ON deliveries (seq);

-- horizon: events up to this one are no longer shown.
CREATE TABLE marks (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO marks (name, value) VALUES ('horizon', coalesce((SELECT min(seq) - 1 FROM events), (SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0));

CREATE INDEX calls_ended ON calls (ended_at) WHERE ended_at > 0;
