"""Opens the functions' stores for a command."""

import sys
from pathlib import Path

from avatar_jobs.bootstrap import common
from avatar_jobs.logs import JsonLog
from avatar_jobs.settings import Environment, SettingsError


def operator_log() -> JsonLog:
    """Returns the log of the commands: one JSON line an event on standard error, with `function` = `operator`."""
    return JsonLog("operator", sys.stderr)


def open_stores(environment: Environment, log: JsonLog) -> common.Stores:
    """Returns the stores that STORE names.

    Raises SettingsError for wrong settings, and for an SQLite file that does not exist: opening it would create an
    empty one, and every answer would be wrong.
    """
    place = environment.store()
    environment.check()
    if place.sqlite_path is not None and not Path(place.sqlite_path).is_file():
        raise SettingsError(f"SQLITE_PATH names no file: {place.sqlite_path}")
    return common.open_stores(place, log)
