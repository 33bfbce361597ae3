"""Runs `./ops jobs|fleet|scaling ...` on this process's environment and terminal."""

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Sequence

from infra.ops.terminal import EXIT_CODES, NOT_POSSIBLE, WRONG_CALL

AREAS = {
    "jobs": "find jobs, show what happened to them, send them again, cancel them, repeat their callbacks",
    "fleet": "compare the queue and the container groups at SaladCloud with fleet.yaml, and change or remove them",
    "scaling": "explain from the archive why the fleet has its size",
}
EPILOG = f"""\
examples:
  ./ops jobs health
  ./ops fleet plan
  ./ops scaling explain --since 2h

`./ops jobs --help` lists the commands of jobs, `./ops jobs list --help` the options of one command.
{EXIT_CODES}
docs/runbook.md says which command helps with which symptom."""


def main(arguments: Sequence[str]) -> int:
    """Runs the area that the first argument names on the other arguments. Returns the exit code.

    Raises SystemExit for `--help` and for an unknown area.
    """
    if importlib.util.find_spec("avatar_jobs") is None:
        sys.stderr.write("The package avatar_jobs is not on PYTHONPATH. Run ./ops in the repository's root instead.\n")
        return WRONG_CALL
    if arguments and arguments[0] in AREAS:
        # Imported here, so that each area loads its own libraries only.
        area = importlib.import_module(f"infra.ops.{arguments[0]}.command")
        try:
            return int(area.run(arguments[1:]))
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted.\n")
            return NOT_POSSIBLE
    _parser().parse_args(arguments)
    return WRONG_CALL


def _parser() -> argparse.ArgumentParser:
    """Returns the parser that only explains the areas: each area parses its own arguments."""
    parser = argparse.ArgumentParser(
        prog="./ops",
        description="The operators' command of the avatar-video jobs.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    areas = parser.add_subparsers(dest="area", required=True, metavar="AREA")
    for name, summary in AREAS.items():
        areas.add_parser(name, help=summary)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
