"""What the operators' commands share: exit codes, parsers, tables, amounts, times, questions and refusals."""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TextIO

DONE, NOT_POSSIBLE, WRONG_CALL, SOMETHING_TO_DO = 0, 1, 2, 3
EXIT_CODES = """\
Exit codes: 0 done; 1 not found or not possible, and one sentence says why; 2 wrong call, file or settings;
3 `fleet plan --detailed-exitcode` only: there is something to do."""

UNITS_SEC = {"m": 60, "h": 3600, "d": 86_400}
DURATION = re.compile(r"(\d{1,4})([mhd])")


class CommandParser:
    """The parser of one area (`jobs`, `fleet`, `scaling`): its commands, each with a summary and an example."""

    def __init__(self, area: str, description: str, epilog: str) -> None:
        self._area = area
        self._root = argparse.ArgumentParser(
            prog=f"./ops {area}",
            description=description,
            epilog=f"{epilog}\n{EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self._commands = self._root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(self, name: str, summary: str, example: str) -> argparse.ArgumentParser:
        """Adds a command and returns its parser; example: the arguments of a typical call, after the command's name."""
        return self._commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=f"example: ./ops {self._area} {name} {example}".rstrip(),
            allow_abbrev=False,
        )

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Returns `command` and the command's own fields. Raises SystemExit for `--help` and for a wrong call."""
        return self._root.parse_args(arguments)


def moment(text: str) -> datetime:
    """Reads an ISO 8601 time; one without a zone is UTC. Raises ArgumentTypeError."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2026-01-31T03:00:00Z") from error
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def duration(text: str) -> timedelta:
    """Reads a length of time such as 30m, 2h or 7d. Raises ArgumentTypeError."""
    found = DURATION.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a length of time such as 30m, 2h or 7d")
    return timedelta(seconds=int(found[1]) * UNITS_SEC[found[2]])


def cell(value: Any) -> str:
    """Returns one value as text; control characters, which a hostile worker may send, become `?`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return " ".join(f"{key}={cell(inner)}" for key, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return " ".join(cell(inner) for inner in value)
    return "".join(character if character.isprintable() else "?" for character in str(value))


def aligned(lines: Sequence[Sequence[str]], *, to_the_right: bool = False) -> str:
    """Returns lines of cells as columns of equal width; to_the_right: for numbers (the last column stays left)."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths[-1] = 0
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_the_right else text.ljust(width) for text, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Returns rows under the columns' names; without rows the names alone."""
    return aligned([columns, *([cell(row.get(name)) for name in columns] for row in rows)])


def pairs(view: Mapping[str, Any]) -> str:
    """Returns names and values, one pair a line; null and empty values are left out."""
    lines = [(name, cell(value)) for name, value in view.items() if value not in (None, "", [], {})]
    return aligned(lines) if lines else ""


def dollars(amount: Decimal | float, most_digits: int = 4) -> str:
    """Returns an amount with at least two digits after the point, and at most `most_digits`."""
    whole, _, digits = f"{amount:.{most_digits}f}".partition(".")
    return f"{whole}.{digits[:2]}{digits[2:].rstrip('0')}"


def refuse(reason: str, code: int, *, out: TextIO, err: TextIO, as_json: bool = False) -> int:
    """Writes the reason as a sentence to `err`, or with as_json as the one JSON document to `out`. Returns the code."""
    if as_json:
        out.write(json.dumps({"error": reason}) + "\n")
    else:
        err.write(f"{reason}\n")
    return code


def ask(question: str, *, answers: TextIO, err: TextIO) -> str:
    """Returns what the person answers, "" for none. Asks on `err`, so that standard output holds the result alone."""
    err.write(question)
    err.flush()
    return answers.readline().strip()


def is_yes(answer: str) -> bool:
    """Returns whether an answer agrees."""
    return answer.lower() in ("y", "yes")
