"""Writes JSON log lines of a level and above."""

from collections.abc import Callable
from typing import Any

from infra.local.json_logs import log_event

LEVELS = ("debug", "info", "warn", "error")

Log = Callable[..., None]


def logger(least: str) -> Log:
    """Returns a function log(level, event, **fields) that writes events of the level `least` and above."""

    def log(level: str, event: str, **fields: Any) -> None:
        if LEVELS.index(level) >= LEVELS.index(least):
            log_event(event, level=level, **fields)

    return log
