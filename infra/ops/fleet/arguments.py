"""The commands of `./ops fleet`: their arguments and help."""

import argparse
from pathlib import Path

from infra.ops.terminal import CommandParser

DEFAULT_FILE = Path(__file__).resolve().parents[2] / "salad" / "fleet.yaml"
EPILOG = """\
It needs SALAD_API_KEY, the secrets that the file names by reference, and SALAD_API_URL unless that is
https://api.salad.com/api/public. infra/salad/README.md explains the file, and what apply refuses."""


def parser() -> CommandParser:
    """Returns the parser; its result has `command` and the command's own fields."""
    root = CommandParser(
        "fleet", "Brings the queue and the container groups at SaladCloud to what fleet.yaml says.", EPILOG
    )

    def command(name: str, summary: str, example: str) -> argparse.ArgumentParser:
        added = root.add(name, summary, example)
        added.add_argument("--file", type=Path, default=DEFAULT_FILE, help="the fleet file (default: %(default)s)")
        return added

    plan = command("plan", "show what apply would do, with prices and quota; changes nothing", "--detailed-exitcode")
    plan.add_argument("--detailed-exitcode", action="store_true", help="exit with 3 when there is something to do")
    apply = command("apply", "create and change what differs from the file; asks first", "--yes")
    for changing in (plan, apply):
        changing.add_argument(
            "--accept-drift", action="store_true", help="leave settings that the file cannot express as they are"
        )
        changing.add_argument(
            "--send-credentials",
            action="store_true",
            help="send registry credentials also to groups without another change: Salad never shows the stored ones",
        )
    destroy = command("destroy", "remove the file's groups, then the queue; asks first", "--group avatar-3060")
    destroy.add_argument("--group", metavar="NAME", help="remove only this group, also one that the file does not name")
    destroy.add_argument("--force", action="store_true", help="also while jobs wait or run: these jobs are lost")
    status = command("status", "show the groups as they are now: instances, prices, drift", "--json")
    for reading in (plan, status):
        reading.add_argument("--json", action="store_true", help="write one JSON document to standard output")
    for writing in (apply, destroy):
        writing.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    return root
