"""The tables of the SQLite store. Each statement changes nothing when it runs again."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, client TEXT NOT NULL, status TEXT NOT NULL, created_at TEXT NOT NULL,
    next_action_at TEXT, expires_at TEXT, version INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (next_action_at) WHERE next_action_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_by_client ON jobs (client, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, created_at);
CREATE TABLE IF NOT EXISTS idempotency (
    client TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (client, key)
) STRICT;
CREATE TABLE IF NOT EXISTS put_aside (
    id TEXT PRIMARY KEY, since TEXT NOT NULL, times INTEGER NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS fleet (
    id TEXT PRIMARY KEY, lease_holder TEXT, lease_until TEXT, last_tick_at TEXT, body TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS snapshots (at TEXT PRIMARY KEY, expires_at TEXT NOT NULL, body TEXT NOT NULL) STRICT;
INSERT OR IGNORE INTO fleet (id) VALUES ('state');
"""
