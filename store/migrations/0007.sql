-- After how long of ringing a rep's voicemail picked up.
CREATE TABLE voicemails (number TEXT NOT NULL, rang BIGINT NOT NULL, at BIGINT NOT NULL); -- microseconds
CREATE INDEX voicemails_number ON voicemails (number, rang);
CREATE INDEX voicemails_at ON voicemails (at);
