"""Parses request bodies strictly: JSON that two parsers could read differently is refused."""

import json
import math
from typing import Any, NoReturn

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import ApiError, ApiErrorCode

MAX_DEPTH = 32  # no real request nests deeper; very deep nesting can crash a parser


def parse_json(body: bytes) -> Any:
    """Returns the parsed body.

    A byte order mark at its beginning is skipped, as RFC 8259 allows: .NET writes one. Raises ApiError invalid_json,
    also for a body that is not UTF-8, duplicate names, NaN, numbers out of range, lone surrogates and nesting over
    MAX_DEPTH.
    """
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
        _check(value, depth=1)
    except UnicodeDecodeError as error:
        raise _invalid(texts.JSON_NOT_UTF8) from error
    except RecursionError as error:
        raise _invalid(texts.json_too_deep(MAX_DEPTH)) from error
    except json.JSONDecodeError as error:
        raise _invalid(texts.json_malformed(error.msg, error.lineno, error.colno)) from error
    except _RefusedError as error:
        raise _invalid(texts.json_refused(str(error))) from error
    return value


class _RefusedError(Exception):
    """Why JSON that can be parsed is not accepted; the message is one of the texts."""


def _invalid(detail: str) -> ApiError:
    return ApiError(ApiErrorCode.INVALID_JSON, detail)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise _RefusedError(texts.JSON_NAME_TWICE)
    return names


def _no_constant(name: str) -> NoReturn:
    raise _RefusedError(texts.json_constant(name))


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _RefusedError(texts.JSON_NUMBER_OUT_OF_RANGE)
    return number


def _whole(text: str) -> int:
    _finite(text)  # no number that JavaScript cannot read; Python itself refuses to parse more than 4,300 digits
    return int(text)


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise _RefusedError(texts.JSON_HALF_SURROGATE)
    elif isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise RecursionError
        children = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        for child in children:
            _check(child, depth + 1)
