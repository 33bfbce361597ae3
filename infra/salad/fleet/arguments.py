"""What can be asked of the fleet command: its words and their help."""

import argparse
from pathlib import Path

DEFAULT_FILE = Path(__file__).parents[1] / "fleet.yaml"
EPILOG = """\
It reads SALAD_API_KEY, SALAD_API_URL (default https://api.salad.com/api/public) and the secrets that the file names
by reference. Exit codes: 0 done, 1 not possible (one sentence says why), 2 wrong call, file or settings, 3 with
`plan --detailed-exitcode` when there is something to do. infra/salad/README.md explains the file."""


def parser() -> argparse.ArgumentParser:
    """Returns the parser; its result has `command` and the command's own fields."""
    root = argparse.ArgumentParser(
        prog="python -m infra.salad.fleet",
        description="Brings the queue and the container groups at SaladCloud to what fleet.yaml says.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        added.add_argument("--file", type=Path, default=DEFAULT_FILE, help="the fleet file (default: %(default)s)")
        return added

    plan = command("plan", "what apply would do, with prices and quota; changes nothing")
    plan.add_argument("--detailed-exitcode", action="store_true", help="3 when there is something to do")
    apply = command("apply", "create and change what differs from the file; asks first")
    for changing in (plan, apply):
        changing.add_argument(
            "--accept-drift", action="store_true", help="leave what the file has no word for as it is"
        )
        changing.add_argument(
            "--send-credentials",
            action="store_true",
            help="send registry credentials also to groups that differ in nothing else; they cannot be read back",
        )
    destroy = command("destroy", "remove the file's groups, then the queue; asks first")
    destroy.add_argument(
        "--group", metavar="NAME", help="remove this group alone, also one that the file does not name"
    )
    destroy.add_argument("--force", action="store_true", help="also while jobs wait or run: they are lost")
    status = command("status", "the groups as they are now: instances, prices, drift")
    for reading in (plan, status):
        reading.add_argument("--json", action="store_true", help="one JSON document on standard output, for machines")
    for writing in (apply, destroy):
        writing.add_argument("--yes", action="store_true", help="do not ask")
    return root
