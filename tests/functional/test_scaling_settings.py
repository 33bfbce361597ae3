"""One message names all wrong scaling settings, also those that contradict each other."""

import json

import pytest

from avatar_jobs.settings import Environment, SettingsError

FIXED = {"name": "avatar-3060", "fixed": True, "warm_seconds": 60}


def test_one_message_names_every_fault_of_the_settings() -> None:
    wrong = {
        "SCALE_GROUPS": '[{"name": "a", "warm_seconds": 0}, {"name": "b", "warm_seconds": 5, "colour": "red"}, {}]',
        "SCALE_RULE": "guess",
        "SCALE_PRESET": "free",
        "SCALE_HOLD_S": "4000",
        "CURRENT_MAX_REPLICAS": "many",
        "WINDOWED_UP_JOBS": "0.1",
        "DAILY_BUDGET_USD": "-1",
    }
    environment = Environment(wrong)
    environment.scaling()
    with pytest.raises(SettingsError) as caught:
        environment.check()
    for name in (*wrong, "SCALE_GROUPS[0]", "SCALE_GROUPS[1]", "SCALE_GROUPS[2]", "colour", "WINDOWED_DOWN_JOBS"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"CURRENT_MAX_REPLICAS": "1", "ALWAYS_ON_MIN_REPLICAS_3060": "2"}, "always on"),
        ({"CURRENT_MAX_REPLICAS": "3"}, "at least 4"),
    ],
)
def test_a_budget_that_contradicts_the_groups_is_said(changes: dict[str, str], named: str) -> None:
    groups = [FIXED, {"name": "s", "min": 4, "max": 9, "warm_seconds": 45}]
    environment = Environment({"SCALE_GROUPS": json.dumps(groups), **changes})
    environment.scaling()
    with pytest.raises(SettingsError, match=named):
        environment.check()
