"""Writes one JSON log line an event on standard error, down to the level that was asked for."""

from collections.abc import Callable
from typing import Any

from infra.local.json_logs import log_event

LEVELS = ("debug", "info", "warn", "error")

Log = Callable[..., None]


def logger(least: str) -> Log:
    """A function log(level, event, **fields) that writes what is at least as grave as `least`."""

    def log(level: str, event: str, **fields: Any) -> None:
        if LEVELS.index(level) >= LEVELS.index(least):
            log_event(event, level=level, **fields)

    return log
