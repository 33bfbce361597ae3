"""Writes one JSON log line an event on standard error, down to the level that was asked for."""

import json
import sys
from collections.abc import Callable
from typing import Any

LEVELS = ("debug", "info", "warn", "error")

Log = Callable[..., None]


def logger(least: str) -> Log:
    """A function log(level, event, **fields) that writes what is at least as grave as `least`."""

    def log(level: str, event: str, **fields: Any) -> None:
        if LEVELS.index(level) >= LEVELS.index(least):
            sys.stderr.write(json.dumps({"event": event, "level": level, **fields}) + "\n")
            sys.stderr.flush()

    return log
