"""Parses JSON that another system or a worker wrote, within limits of size, nesting and number of values."""

import json
import math
from typing import Any

# Real answers are far below these limits: the largest is a page of 100 queue jobs.
MAX_DEPTH = 48  # an output of a worker nests 4 deep, inside a page of queue jobs 8 deep
MAX_VALUES = 200_000  # each value costs about 60 bytes once it is parsed, whatever its text costs
MAX_INT_DIGITS = 18  # the largest that fits 64 bits in every language


class NotJsonError(ValueError):
    """A text that is not JSON."""


class JsonOverLimitError(ValueError):
    """A text that nests too deep, holds too many values, or holds text that cannot be written as UTF-8."""


def read_json(text: bytes | str) -> Any:
    """Returns the parsed JSON. Numbers that are not finite, or too large for 64 bits, become None (unknown).

    Raises NotJsonError or JsonOverLimitError and nothing else.
    """
    try:
        # Cheap, before anything is built: a comma or a bracket stands for each value but the first.
        marks: tuple[Any, ...] = (",", "[", "{") if isinstance(text, str) else (b",", b"[", b"{")
        if sum(text.count(mark) for mark in marks) > MAX_VALUES:
            raise JsonOverLimitError("too many values")
        written = text if isinstance(text, str) else text.decode("utf-8-sig")
        value = json.loads(written, parse_int=_number, parse_float=_finite, parse_constant=lambda _: None)
    except RecursionError as error:
        raise JsonOverLimitError("nested too deep") from error
    except JsonOverLimitError:
        raise
    except ValueError as error:  # also UnicodeDecodeError
        raise NotJsonError("not JSON") from error
    _check(value)
    return value


def _number(text: str) -> int | None:
    return int(text) if len(text.lstrip("-")) <= MAX_INT_DIGITS else None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _check(value: Any) -> None:
    """Raises JsonOverLimitError for a value that nests over MAX_DEPTH or holds half a surrogate pair."""
    level, depth = [value], 0
    while level:
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += [*one.keys(), *one.values()]
            elif isinstance(one, list):
                below += one
            elif isinstance(one, str) and not one.isascii():
                _check_text(one)
        depth += any(isinstance(one, dict | list) for one in level)
        if depth > MAX_DEPTH:
            raise JsonOverLimitError("nested too deep")
        level = below


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # no store and no answer could hold it
        raise JsonOverLimitError("half a surrogate pair") from error
