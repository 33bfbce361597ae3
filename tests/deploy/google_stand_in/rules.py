"""The plan-time rules of a resource type over one configuration: enums, ranges, and which arguments go together."""

import re
from collections.abc import Iterator
from typing import Any

UNKNOWN = object()  # a value that only the apply will tell


def broken_rules(rules: dict[str, Any], config: Any) -> Iterator[str]:
    """Yields one sentence for each rule that a configuration breaks.

    rules: argument's path ("a.0.b") -> its rules by name; config: the decoded configuration, UNKNOWN where it is.
    """
    for path, rule in rules.items():
        for value in _everywhere(config, path):
            yield from _wrong_value(path, rule, value)
        parent = path.rpartition(".")[0]
        if parent and not _is_set(_lookup(config, parent)):
            continue
        yield from _wrong_company(path, rule, config)


def _wrong_value(path: str, rule: dict[str, Any], value: Any) -> Iterator[str]:
    if "enum" in rule and isinstance(value, str) and value not in rule["enum"]:
        yield f'{path}: expected one of {[one for one in rule["enum"] if one]}, got "{value}"'
    if "range" in rule and isinstance(value, int | float) and not isinstance(value, bool):
        low, high = _bounds(rule["range"])
        if not low <= value <= high:
            yield f"{path}: {value} is not within {low} to {high}"


def _bounds(text: str) -> tuple[float, float]:
    """The bounds in the provider's own message, such as "expected x to be in the range (1 - 98), got %v"."""
    if found := re.search(r"in the range \((-?\d+) - (-?\d+)\)", text):
        return int(found[1]), int(found[2])
    if found := re.search(r"at least \((-?\d+)\)", text):
        return int(found[1]), float("inf")
    if found := re.search(r"at most \((-?\d+)\)", text):
        return float("-inf"), int(found[1])
    return float("-inf"), float("inf")


def _wrong_company(path: str, rule: dict[str, Any], config: Any) -> Iterator[str]:
    is_here = _is_set(_lookup(config, path))
    for other in rule.get("conflicts", []):
        if is_here and _is_set(_lookup(config, other)):
            yield f"{path} conflicts with {other}"
    for other in rule.get("required_with", []):
        if is_here and _lookup(config, other) in (None, [], ""):
            yield f"{path} needs {other} beside it"
    for name, is_wrong in (("exactly_one", lambda count: count != 1), ("at_least_one", lambda count: count == 0)):
        group = rule.get(name, [])
        if not group or path != min(group):
            continue  # said once for the whole group
        values = [_lookup(config, one) for one in group]
        if not any(value is UNKNOWN for value in values) and is_wrong(sum(map(_is_set, values))):
            yield f"{name.replace('_', ' ')} of {group} must be set"


def _is_set(value: Any) -> bool:
    return value is not None and value is not UNKNOWN and value not in ([], "")


def _lookup(value: Any, path: str) -> Any:
    for step in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        if isinstance(value, list):
            value = value[int(step)] if step.isdigit() and int(step) < len(value) else None
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value


def _everywhere(value: Any, path: str) -> list[Any]:
    """Each value that a path reaches: "0" stands for every element of a list; a set's elements have no step."""
    found = [value]
    for step in path.split("."):
        flat = _flattened(found)
        found = flat if step == "0" else [one[step] for one in flat if isinstance(one, dict) and step in one]
    return _flattened(found)


def _flattened(values: list[Any]) -> list[Any]:
    return [one for value in values for one in (value if isinstance(value, list) else [value])]
