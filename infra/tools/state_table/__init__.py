"""Generates docs/state-table.md by applying `transition` to representative jobs."""
