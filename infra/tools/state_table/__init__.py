"""Makes docs/state-table.md by running transition on representative jobs."""
