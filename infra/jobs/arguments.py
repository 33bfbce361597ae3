"""What can be asked of the operators' command: its words, their bounds and their help."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime

EPILOG = """\
It reads the functions' settings, STORE and what belongs to it (docs/environment.md); without --client also
API_CLIENTS, for the clients' names alone. It needs no other secret and calls nobody but the store: what has to be
sent is put on the agenda, and the next tick sends it. Exit codes: 0 done, 1 not found or not possible, 2 usage or
settings. docs/runbook.md says when to use what."""

STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")
OVERDUE_SEC = 120  # two ticks: what is later than that, no tick took
MAX_LISTED = 500  # what a person can read, and the tick's own bound
MAX_LOOKED_AT = 100_000  # reads that a search may cost; at list prices some cents
MAX_CHANGED = 100  # ids in one call: a typo in a shell loop must not reach every job


def parser() -> argparse.ArgumentParser:
    """Returns the parser; its result has `command` and the command's own fields."""
    root = argparse.ArgumentParser(
        prog="python -m infra.jobs",
        description="Finds jobs, tells their story, and asks for what the functions would do anyway.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        added.add_argument("--json", action="store_true", help="one JSON document on standard output, for machines")
        return added

    for name, summary in (("show", "everything stored of one job"), ("timeline", "what happened to one job, in order")):
        command(name, summary).add_argument("id")
    _add_searches(command)
    overdue = command("overdue", "jobs that a tick should have looked at long ago, the longest waiting first")
    _add_number(overdue, "--seconds", OVERDUE_SEC, 30 * 86_400, "overdue by more than this")
    _add_number(overdue, "--limit", 50, MAX_LISTED, "at most so many")
    command("health", "the last tick, jobs by status, the oldest wait, what is overdue")
    for name, summary in (
        ("requeue", "send stuck jobs again"),
        ("cancel", "end jobs, as their app could"),
        ("redeliver", "send the callbacks of finished jobs once more"),
    ):
        change = command(name, summary)
        change.add_argument("ids", nargs="+", metavar="id", help=f"at most {MAX_CHANGED}")
        change.add_argument("--yes", action="store_true", help="do not ask")
    return root


def _add_searches(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    listed = command("list", "jobs, newest first")
    listed.add_argument("--status", choices=STATUSES, help="of this status alone")
    listed.add_argument("--after", type=moment, metavar="TIME", help="created after, such as 2026-01-31T03:00:00Z")
    listed.add_argument("--before", type=moment, metavar="TIME", help="created before")
    _add_number(listed, "--limit", 20, MAX_LISTED, "at most so many")
    found = command("find", "the jobs of an idempotency key or a request id")
    what = found.add_mutually_exclusive_group(required=True)
    what.add_argument("--key", help="the app's Idempotency-Key")
    what.add_argument("--request-id", help="the X-Request-Id of the call that made the job")
    _add_number(
        found, "--look-at", 2000, MAX_LOOKED_AT, "with --request-id: of each client, at most so many jobs, newest first"
    )
    for search in (listed, found):
        search.add_argument("--client", help="of this client alone (default: every client in API_CLIENTS)")


def _add_number(to: argparse.ArgumentParser, name: str, default: int, high: int, summary: str) -> None:
    def bounded(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not 0 <= int(text[:9]) <= high or len(text) > 9:
            raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {high}")
        return int(text)

    to.add_argument(name, type=bounded, default=default, metavar="N", help=f"{summary} (default: {default})")


def moment(text: str) -> datetime:
    """Reads an ISO 8601 time; one without a zone is UTC. Raises ArgumentTypeError."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2026-01-31T03:00:00Z") from error
    return read if read.tzinfo else read.replace(tzinfo=UTC)
