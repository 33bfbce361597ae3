"""Reads a command line, reads archived snapshots, writes the table and the picture, and gives the exit code."""

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from avatar_jobs.bootstrap import common
from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.logs import JsonLog
from avatar_jobs.settings import Environment, SettingsError
from infra.scaling.picture import draw
from infra.scaling.table import rows_of, table

DONE, NOTHING_SEEN, WRONG_CALL = 0, 1, 2
UNITS = {"m": 60, "h": 3600, "d": 86_400}
AGE = re.compile(r"(\d{1,4})([mhd])")


def run(arguments: Sequence[str]) -> int:
    """Does what a command line asks for; returns the exit code."""
    asked = _parser().parse_args(arguments)
    environment, now = Environment.of_process(), common.utc_now()
    try:
        place = environment.store()
        environment.check()
        archive = common.open_stores(place, JsonLog("operator", sys.stderr)).archive
        records = archive.archived_snapshots(now - asked.since, now + timedelta(seconds=1))
    except SettingsError as error:
        return _refused(str(error), WRONG_CALL)
    except StorageUnavailableError as error:
        return _refused(str(error), NOTHING_SEEN)
    rows = rows_of(records)
    if not rows:
        return _refused("No tick has archived anything in that time.", NOTHING_SEEN)
    sys.stdout.write(table(rows, changes_only=asked.changes) + "\n")
    if asked.png:
        draw(rows, asked.png)
        sys.stdout.write(f"picture: {asked.png}\n")
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.scaling", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    explain = commands.add_parser("explain", help="what the rule saw and why it did what it did")
    explain.add_argument("--since", type=age, default=age("2h"), metavar="2h", help="how far back: 30m, 2h, 7d")
    explain.add_argument("--png", type=Path, metavar="FILE", help="also draw queue, replicas, waits and dollars")
    explain.add_argument("--changes", action="store_true", help="only ticks that changed, failed or left something")
    return parser


def age(text: str) -> timedelta:
    """Reads 30m, 2h, 7d. Raises ArgumentTypeError."""
    found = AGE.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time like 30m, 2h or 7d")
    return timedelta(seconds=int(found[1]) * UNITS[found[2]])


def _refused(reason: str, code: int) -> int:
    sys.stderr.write(f"{reason}\n")
    return code
