"""Runs `./ops scaling explain`: reads archived snapshots, writes the table and the picture."""

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from avatar_jobs.bootstrap import common
from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.settings import Environment, SettingsError
from infra.ops.scaling.picture import draw
from infra.ops.scaling.table import rows_of, table
from infra.ops.store import open_stores, operator_log
from infra.ops.terminal import DONE, NOT_POSSIBLE, WRONG_CALL, CommandParser, duration, refuse

EPILOG = """\
It needs the functions' settings for the store: STORE and what belongs to it (docs/environment.md). It only reads.
docs/scaling.md explains the columns and the rule."""


def run(arguments: Sequence[str]) -> int:
    """Does what a command line asks for; returns the exit code."""
    asked = _parse(arguments)
    now = common.utc_now()
    try:
        archive = open_stores(Environment.of_process(), operator_log()).archive
        records = archive.archived_snapshots(now - asked.since, now + timedelta(seconds=1))
    except SettingsError as error:
        return refuse(str(error), WRONG_CALL, out=sys.stdout, err=sys.stderr)
    except StorageUnavailableError as error:
        return refuse(str(error), NOT_POSSIBLE, out=sys.stdout, err=sys.stderr)
    rows = rows_of(records)
    if not rows:
        reason = "No tick archived anything in that time."
        return refuse(reason, NOT_POSSIBLE, out=sys.stdout, err=sys.stderr)
    sys.stdout.write(table(rows, changes_only=asked.changes) + "\n")
    if asked.png:
        draw(rows, asked.png)
        sys.stdout.write(f"picture: {asked.png}\n")
    return DONE


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser("scaling", "Explains from the archive why the fleet has its size.", EPILOG)
    explain = parser.add(
        "explain",
        "show for each tick what the scaling rule saw, what it did, and why",
        "--since 1d --changes --png day.png",
    )
    explain.add_argument(
        "--since", type=duration, default="2h", metavar="TIME", help="how far back: 30m, 2h, 7d (default: 2h)"
    )
    explain.add_argument("--png", type=Path, metavar="FILE", help="also draw queue, replicas, waits and dollars")
    explain.add_argument(
        "--changes", action="store_true", help="show only ticks that changed a group, failed to, or left one alone"
    )
    return parser.parse(arguments)
