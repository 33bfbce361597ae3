"""Writes JSON as JavaScript's JSON.stringify does, so that whoever parses and writes it again has the same bytes.

Frameworks of many languages give a handler the parsed body only; such a receiver verifies the signature of a callback
over what it has written again itself. The rules are those of ECMA-262, SerializeJSONProperty and Number::toString.
"""

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

EXACT = 2**53  # JavaScript's numbers are doubles: it knows every whole number up to this one
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
ARRAY_INDEX = re.compile("0|[1-9][0-9]{0,9}")  # JavaScript puts such names first, in the order of their numbers
LAST_ARRAY_INDEX = 2**32 - 2


def compact_json(value: Any) -> bytes:
    """Returns a JSON value as UTF-8 without spaces; a number that is no double is written as the nearest one."""
    return _written(value).encode()


def _written(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _number(value)
        case str():
            return _string(value)
        case Mapping():
            members = sorted(value.items(), key=lambda member: _place(member[0]))
            return "{" + ",".join(f"{_string(name)}:{_written(member)}" for name, member in members) + "}"
        case _:
            return "[" + ",".join(_written(item) for item in value) + "]"


def _place(name: str) -> int:
    """Returns a sorting key: array indexes by their number, then all other names, which keep their order."""
    index = int(name) if ARRAY_INDEX.fullmatch(name) else LAST_ARRAY_INDEX + 1
    return min(index, LAST_ARRAY_INDEX + 1)


def _string(text: str) -> str:
    return LONE_SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", json.dumps(text, ensure_ascii=False))


def _number(number: float) -> str:
    """Returns a number as JavaScript writes it: 1 and not 1.0, 0.00001 and not 1e-05. No double: null."""
    if isinstance(number, int) and abs(number) <= EXACT:
        return str(number)
    try:
        double = float(number)
    except OverflowError:
        return "null"
    if not math.isfinite(double):
        return "null"
    if double == 0:
        return "0"  # also -0.0
    sign = "-" if double < 0 else ""
    decimal = Decimal(repr(abs(double))).normalize()  # repr gives the shortest digits, as JavaScript does
    digits = "".join(str(digit) for digit in decimal.as_tuple().digits)
    point = decimal.adjusted() + 1  # how many digits stand before the point
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{point - 1:+d}"
