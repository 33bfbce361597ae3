"""Reads the scaling settings from text and reports every fault: out of range, contradictory or unknown. Pure."""

import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from avatar_jobs.domain.scaling.model import (
    HISTORY_SEC,
    SALAD_MAX_REPLICAS,
    GroupConfig,
    RuleName,
    ScalingChoices,
    ScalingConfig,
    WindowedConfig,
)


class Preset(NamedTuple):
    """Three settings of the rule `drain` that belong together; docs/scaling.md compares their cost and waits."""

    drain_sec: float
    hold_sec: float
    floor: float


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {"balanced": Preset(60, 180, 0), "eco": Preset(90, 120, 0), "warm": Preset(60, 300, 1)}
)
RULES: Mapping[str, RuleName] = MappingProxyType({"drain": "drain", "windowed": "windowed"})
DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "SCALE_GROUPS": "",
        "CURRENT_MAX_REPLICAS": "20",
        "ALWAYS_ON_MIN_REPLICAS_3060": "1",
        "SCALE_RULE": "drain",
        "SCALE_PRESET": "balanced",
        "SCALE_DRAIN_S": "",
        "SCALE_HOLD_S": "",
        "SCALE_FLOOR": "",
        "SCALE_SLACK": "0",
        "SCALE_STUCK_S": "1200",
        "SCALE_QUEUE_INCLUDES_RUNNING": "false",
        "SCALE_MANUAL_HOLD_S": "900",
        "SCALE_OBSERVE_ONLY": "false",
        "DAILY_BUDGET_USD": "",
        "WINDOWED_UP_JOBS": "2",
        "WINDOWED_DOWN_JOBS": "0.5",
        "WINDOWED_UP_WINDOW_S": "900",
        "WINDOWED_DOWN_WINDOW_S": "3600",
        "WINDOWED_STEP": "1",
        "WINDOWED_UP_COOLDOWN_S": "300",
        "WINDOWED_DOWN_COOLDOWN_S": "900",
    }
)
GROUP_FIELDS = frozenset({"name", "fixed", "min", "max", "warm_seconds"})
DAY_SEC = 86_400


def read_choices(texts: Mapping[str, str]) -> tuple[ScalingChoices, list[str]]:
    """Returns the settings and every fault in them. texts: by name, one for each name in DEFAULTS."""
    reader = _Reader(texts)
    preset = PRESETS[reader.choice("SCALE_PRESET", PRESETS)]
    always_on = reader.whole("ALWAYS_ON_MIN_REPLICAS_3060", 0, SALAD_MAX_REPLICAS)
    config = ScalingConfig(
        groups=_groups(reader, always_on),
        max_total=reader.whole("CURRENT_MAX_REPLICAS", 0, 10 * SALAD_MAX_REPLICAS),
        rule=RULES[reader.choice("SCALE_RULE", RULES)],
        drain_sec=reader.number("SCALE_DRAIN_S", 1, HISTORY_SEC, preset.drain_sec),
        hold_sec=reader.number("SCALE_HOLD_S", 0, HISTORY_SEC, preset.hold_sec),
        floor=reader.number("SCALE_FLOOR", 0, 10, preset.floor),
        slack=reader.number("SCALE_SLACK", 0, 10),
        stuck_sec=reader.number("SCALE_STUCK_S", 60, HISTORY_SEC),
        queue_includes_running=reader.flag("SCALE_QUEUE_INCLUDES_RUNNING"),
        windowed=WindowedConfig(
            up_jobs=reader.number("WINDOWED_UP_JOBS", 0, 1000),
            down_jobs=reader.number("WINDOWED_DOWN_JOBS", 0, 1000),
            up_window_sec=reader.number("WINDOWED_UP_WINDOW_S", 60, HISTORY_SEC),
            down_window_sec=reader.number("WINDOWED_DOWN_WINDOW_S", 60, HISTORY_SEC),
            step=reader.whole("WINDOWED_STEP", 1, SALAD_MAX_REPLICAS),
            up_cooldown_sec=reader.number("WINDOWED_UP_COOLDOWN_S", 0, HISTORY_SEC),
            down_cooldown_sec=reader.number("WINDOWED_DOWN_COOLDOWN_S", 0, HISTORY_SEC),
        ),
    )
    budget = texts["DAILY_BUDGET_USD"]
    choices = ScalingChoices(
        config=config if config.scaled else None,
        observe_only=reader.flag("SCALE_OBSERVE_ONLY"),
        manual_hold_sec=reader.number("SCALE_MANUAL_HOLD_S", 0, DAY_SEC),
        daily_usd=reader.number("DAILY_BUDGET_USD", 0, 1_000_000) if budget else None,
    )
    return choices, [*reader.faults, *_contradictions(config)]


def _contradictions(config: ScalingConfig) -> list[str]:
    faults = []
    if config.max_total < config.always_on:
        faults.append(
            f"CURRENT_MAX_REPLICAS is {config.max_total}, less than the {config.always_on} that are always on"
        )
    least = sum(group.minimum for group in config.scaled)
    if least > config.budget:
        faults.append(f"SCALE_GROUPS wants at least {least} replicas, and the budget leaves {config.budget}")
    if config.windowed.down_jobs >= config.windowed.up_jobs:
        faults.append("WINDOWED_DOWN_JOBS must be less than WINDOWED_UP_JOBS, or the fleet swings")
    return faults


def _groups(reader: "_Reader", always_on: int) -> tuple[GroupConfig, ...]:
    text = reader.texts["SCALE_GROUPS"]
    if not text:
        return ()
    try:
        listed = json.loads(text)
    except ValueError:
        listed = None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        reader.faults.append("SCALE_GROUPS must be a JSON list of objects, in order of preference")
        return ()
    groups = [_group(reader, place, one, always_on) for place, one in enumerate(listed)]
    known = tuple(group for group in groups if group is not None)
    if len({group.name for group in known}) != len(known):
        reader.faults.append("SCALE_GROUPS names a group twice")
    return known


def _group(reader: "_Reader", place: int, fields: Mapping[str, Any], always_on: int) -> GroupConfig | None:
    where = f"SCALE_GROUPS[{place}]"
    faults = [f"{where} has an unknown field {name!r}" for name in sorted(set(fields) - GROUP_FIELDS)]
    name, fixed, warm = fields.get("name"), fields.get("fixed", False), fields.get("warm_seconds")
    least, most = fields.get("min", 0), fields.get("max", SALAD_MAX_REPLICAS)
    if not isinstance(name, str) or not name:
        faults.append(f"{where} needs the name of a container group")
    if not isinstance(fixed, bool):
        faults.append(f"{where}: fixed must be true or false")
    if not isinstance(warm, int | float) or isinstance(warm, bool) or not 0 < warm < DAY_SEC:
        faults.append(f"{where} needs warm_seconds, the seconds of a job on a warm instance")
    if not (_is_count(least) and _is_count(most) and least <= most):
        faults.append(f"{where}: min and max must be whole numbers, 0 <= min <= max <= {SALAD_MAX_REPLICAS}")
    if faults:
        reader.faults += faults
        return None
    if fixed:
        return GroupConfig(str(name), always_on, always_on, float(warm or 0), fixed=True)
    return GroupConfig(str(name), least, most, float(warm or 0))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= SALAD_MAX_REPLICAS


class _Reader:
    """Reads setting texts and collects their faults. A faulty value becomes its default, so that reading can go on."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.faults: list[str] = []

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float:
        text = self.texts[name] or (str(default) if default is not None else DEFAULTS[name])
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            self.faults.append(f"{name} must be a number from {low:g} to {high:g}, not {text!r}")
            return default if default is not None else float(DEFAULTS[name] or low)
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        text = self.texts[name] or DEFAULTS[name]
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            self.faults.append(f"{name} must be a whole number from {low} to {high}, not {text!r}")
            return int(DEFAULTS[name])
        return int(text)

    def choice(self, name: str, allowed: Mapping[str, Any]) -> str:
        text = self.texts[name] or DEFAULTS[name]
        if text not in allowed:
            self.faults.append(f"{name} must be one of {', '.join(allowed)}, not {text!r}")
            return DEFAULTS[name]
        return text

    def flag(self, name: str) -> bool:
        return self.choice(name, {"true": True, "false": False}) == "true"
