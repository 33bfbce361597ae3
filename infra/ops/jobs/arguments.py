"""The commands of `./ops jobs`: their arguments, bounds and help."""

import argparse
from collections.abc import Callable

from infra.ops.terminal import CommandParser, moment

EPILOG = """\
It needs the functions' settings for the store: STORE and what belongs to it (docs/environment.md). `list` and `find`
without --client also need API_CLIENTS, but only for the clients' names. It needs no other secret and calls only the
store: `requeue`, `cancel` and `redeliver` write a request, and the next tick (within a minute) carries it out."""

STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")
OVERDUE_SEC = 120  # two ticks: a healthy tick takes every due job sooner
MAX_LISTED = 500  # what a person can read, and the tick's own bound
MAX_SEARCHED = 100_000  # reads that a search may cost; at list prices some cents
MAX_CHANGED = 100  # ids in one call: a typo in a shell loop must not reach every job
JOB_ID = "f37b90f9250a7603c643f99f661257f7"  # of the examples


def parser() -> CommandParser:
    """Returns the parser; its result has `command` and the command's own fields."""
    root = CommandParser(
        "jobs", "Finds jobs, shows what happened to them, sends them again, cancels them, repeats callbacks.", EPILOG
    )

    def command(name: str, summary: str, example: str) -> argparse.ArgumentParser:
        added = root.add(name, summary, example)
        added.add_argument("--json", action="store_true", help="write one JSON document to standard output")
        return added

    health = "show the last tick, the jobs by status, the oldest wait, the fleet, and how many jobs are overdue"
    command("health", health, "")
    overdue = command("overdue", "list jobs whose next action is overdue, the longest overdue first", "--seconds 300")
    _add_number(overdue, "--seconds", OVERDUE_SEC, 30 * 86_400, "overdue by more than N seconds")
    _add_number(overdue, "--limit", 50, MAX_LISTED, "list at most N jobs")
    unreadable = command(
        "unreadable", "list the records that a tick has put aside because no job can be read in them", ""
    )
    _add_number(unreadable, "--limit", 50, MAX_LISTED, "list at most N records")
    _add_searches(command)
    for name, summary in (
        ("show", "show everything that is stored about one job, except metadata values and the queries of URLs"),
        ("timeline", "show what happened to one job, in order"),
    ):
        command(name, summary, JOB_ID).add_argument("id", help="the job's id")
    for name, summary in (
        ("requeue", "send stuck jobs again"),
        ("cancel", "cancel jobs, as their app could"),
        ("redeliver", "send the callbacks of finished jobs once more"),
    ):
        change = command(name, summary, JOB_ID)
        change.add_argument("ids", nargs="+", metavar="id", help=f"the jobs' ids, at most {MAX_CHANGED}")
        change.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    return root


def _add_searches(command: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    listed = command("list", "list jobs, the newest first", "--client shop --status queued --limit 50")
    listed.add_argument("--status", choices=STATUSES, help="only jobs of this status")
    listed.add_argument(
        "--after", type=moment, metavar="TIME", help="created at or after, such as 2026-01-31T03:00:00Z"
    )
    listed.add_argument("--before", type=moment, metavar="TIME", help="created before")
    _add_number(listed, "--limit", 20, MAX_LISTED, "list at most N jobs")
    found = command("find", "find jobs by idempotency key or by request id", "--client shop --key order-7")
    what = found.add_mutually_exclusive_group(required=True)
    what.add_argument("--key", help="the app's Idempotency-Key")
    what.add_argument("--request-id", help="the X-Request-Id of the call that made the job")
    _add_number(found, "--look-at", 2000, MAX_SEARCHED, "with --request-id: search the newest N jobs of each client")
    for search in (listed, found):
        search.add_argument("--client", help="only jobs of this client (default: every client in API_CLIENTS)")


def _add_number(to: argparse.ArgumentParser, name: str, default: int, high: int, summary: str) -> None:
    def bounded(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not 0 <= int(text[:9]) <= high or len(text) > 9:
            raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {high}")
        return int(text)

    to.add_argument(name, type=bounded, default=default, metavar="N", help=f"{summary} (default: {default})")
