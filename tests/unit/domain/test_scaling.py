"""The scaling rules: a table of single decisions, and the invariants that hold for every history."""

import copy
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar_jobs.domain.scaling import (
    GroupConfig,
    GroupCounts,
    ScalingConfig,
    Snapshot,
    WindowedConfig,
    decide,
)

NOW = 1_800_000_000.0
FIXED = GroupConfig("rtx-3060", 1, 1, 60.0, fixed=True)
SCALED = GroupConfig("rtx-3080", 0, 19, 45.0)
SPARE = GroupConfig("rtx-3090", 0, 19, 38.0)
CONFIG = ScalingConfig(groups=(FIXED, SCALED), max_total=20)
TIERS = ScalingConfig(groups=(FIXED, SCALED, SPARE), max_total=20)


def seen(
    age: float,
    queue: int | None,
    jobs: int | None,
    scaled: int = 0,
    running: int | None = None,
    spare: int | None = None,
    spare_running: int = 0,
) -> Snapshot:
    """What was seen `age` seconds ago; scaled: replicas of the scaled group, all of them running unless said."""
    groups = {
        "rtx-3060": GroupCounts(1, 0, 0, 1, 0),
        "rtx-3080": GroupCounts(scaled, 0, 0, scaled if running is None else running, 0),
    }
    if spare is not None:
        groups["rtx-3090"] = GroupCounts(spare, 0, 0, spare_running, 0)
    return Snapshot(NOW - age, queue, jobs, groups)


def target(*history: Snapshot, config: ScalingConfig = CONFIG, group: str = "rtx-3080") -> int | None:
    """What the scaled group should have; None: as it is."""
    return decide(NOW, history, config).targets.get(group)


@pytest.mark.parametrize(
    ("queue", "jobs", "want"),
    [(0, 0, 0), (1, 0, 0), (0, 1, 0), (4, 0, 2), (4, 1, 3), (10, 1, 8), (40, 1, 19), (1000, 1, 19), (0, 9, 8)],
)
def test_the_set_point_is_asked_for_at_once(queue: int, jobs: int, want: int) -> None:
    assert target(seen(0, queue, jobs)) == want


def test_on_the_way_down_the_highest_need_of_the_hold_counts() -> None:
    assert target(seen(170, 10, 5, scaled=12), seen(0, 0, 2, scaled=12)) == 12
    assert target(seen(170, 5, 3, scaled=12), seen(0, 0, 2, scaled=12)) == 6
    assert target(seen(190, 10, 5, scaled=12), seen(0, 0, 2, scaled=12)) == 1


def test_a_floor_keeps_part_of_the_hours_mean() -> None:
    busy = [seen(60.0 * minute, 0, 9, scaled=8) for minute in range(59, 3, -1)]
    quiet = [seen(60.0 * minute, 0, 0, scaled=8) for minute in range(3, -1, -1)]
    warm = ScalingConfig(groups=CONFIG.groups, max_total=20, floor=1.0)
    assert target(*busy, *quiet) == 0
    assert target(*busy, *quiet, config=warm) == 7


def test_without_data_the_replicas_stay() -> None:
    assert decide(NOW, [seen(60, 0, 0, scaled=5), seen(0, None, 0, scaled=5)], CONFIG).groups == {}
    assert decide(NOW, [Snapshot(NOW, 50, 1, None)], CONFIG).groups == {}
    assert decide(NOW, [], CONFIG).groups == {}


def test_groups_that_were_seen_before_are_enough() -> None:
    unseen = Snapshot(NOW, 10, 1, None)
    assert target(seen(60, 0, 0), unseen) == 8


def test_a_queue_that_counts_running_jobs_is_not_counted_twice() -> None:
    counting = ScalingConfig(groups=CONFIG.groups, max_total=20, queue_includes_running=True)
    assert target(seen(0, 9, 5, scaled=4), config=counting) == 7
    assert target(seen(0, 9, None, scaled=4), config=counting) == 7


def test_without_a_count_of_running_jobs_the_fleet_shrinks_in_steps() -> None:
    quiet = [seen(age, 0, None, scaled=8) for age in (240, 180, 120, 60, 0)]
    assert target(*quiet) == 6
    assert target(*quiet[2:]) == 8, "not all of the hold was seen"
    assert target(seen(240, 0, None, scaled=8), seen(100, 3, None, scaled=8), seen(0, 0, None, scaled=8)) == 8
    assert target(seen(240, 0, None, scaled=9), seen(100, 0, None, scaled=9), seen(0, 0, None, scaled=8)) == 8


def test_a_group_that_gets_no_nodes_is_not_waited_for() -> None:
    history = [seen(60.0 * m, 12, 2, scaled=10, running=2, spare=0) for m in range(21, -1, -1)]
    plan = decide(NOW, history, TIERS)
    assert plan.groups["rtx-3080"].target == 3
    assert plan.groups["rtx-3080"].reason == "stuck"
    assert plan.groups["rtx-3090"].target == 7
    patient = decide(NOW, history[2:], TIERS)
    assert patient.targets == {"rtx-3080": 10, "rtx-3090": 0}


def test_a_running_instance_of_a_later_group_stops_only_when_earlier_ones_run_enough() -> None:
    waiting = seen(0, 0, 7, scaled=6, running=2, spare=4, spare_running=4)
    assert decide(NOW, [waiting], TIERS).targets == {"rtx-3080": 6, "rtx-3090": 4}
    there = seen(0, 0, 7, scaled=6, running=6, spare=4, spare_running=4)
    assert decide(NOW, [there], TIERS).targets["rtx-3090"] == 0


@pytest.mark.parametrize(
    ("queue", "replicas", "changed_ago", "want"),
    [(10, 2, 1000, 3), (10, 2, 100, 2), (2, 2, 1000, 2), (0, 2, 1000, 1), (0, 2, 600, 2), (0, 0, 5000, 0)],
)
def test_the_windowed_rule_steps_by_means_with_cooldowns(
    queue: int, replicas: int, changed_ago: int, want: int
) -> None:
    rule = ScalingConfig(groups=CONFIG.groups, max_total=20, rule="windowed", windowed=WindowedConfig())
    before = [seen(age, queue, 1, scaled=replicas + 1) for age in range(3540, changed_ago, -60)]
    after = [seen(age, queue, 1, scaled=replicas) for age in range(min(changed_ago, 3540), -1, -20)]
    assert target(*before, *after, config=rule) == want


def test_the_means_are_shown_whichever_rule_decides() -> None:
    history = [seen(60.0 * m, 40 if m < 15 else 0, 1, scaled=3) for m in range(59, -1, -1)]
    for rule in ("drain", "windowed"):
        plan = decide(NOW, history, ScalingConfig(groups=CONFIG.groups, max_total=20, rule=rule))
        assert (plan.mean_15_min, plan.mean_60_min, plan.jobs_per_replica) == (37.5, 10.0, 10.0)


COUNTS = st.none() | st.integers(0, 40)
ODD = COUNTS | st.sampled_from([-5, 10**9])  # what a broken answer may hold
GROUPS = st.builds(GroupCounts, st.integers(0, 30) | st.just(10**12), COUNTS, COUNTS, ODD, COUNTS)
SNAPSHOTS = st.builds(
    Snapshot,
    at=st.integers(0, 4000).map(lambda age: NOW - age),
    queue_length=ODD,
    running_jobs=ODD,
    groups=st.none() | st.fixed_dictionaries(dict.fromkeys(("rtx-3060", "rtx-3080", "rtx-3090", "other"), GROUPS)),
)
HISTORIES = st.lists(SNAPSHOTS, max_size=12).map(lambda found: tuple(sorted(found, key=lambda one: one.at)))
CONFIGS = st.builds(
    ScalingConfig,
    groups=st.sampled_from(
        [
            (FIXED, SCALED),
            (FIXED, SCALED, SPARE),
            (GroupConfig("rtx-3080", 2, 6, 45.0), GroupConfig("rtx-3090", 1, 4, 38.0)),
            (SCALED, FIXED),
        ]
    ),
    max_total=st.integers(4, 25),
    rule=st.sampled_from(["drain", "windowed"]),
    drain_sec=st.floats(5, 600),
    hold_sec=st.floats(0, 1800),
    floor=st.floats(0, 1),
    slack=st.floats(0, 1),
    stuck_sec=st.floats(60, 2000),
    queue_includes_running=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(HISTORIES, CONFIGS)
def test_every_decision_keeps_its_bounds(history: tuple[Snapshot, ...], config: ScalingConfig) -> None:
    given_history, given_config = copy.deepcopy(history), copy.deepcopy(config)
    plan = decide(NOW, history, config)
    assert (history, config) == (given_history, given_config), "its arguments stay as they are"
    assert decide(NOW, list(history), config) == plan, "the same for the same"
    by_name = {group.name: group for group in config.scaled}
    assert set(plan.groups) in (set(), set(by_name)), "known groups, never a fixed one"
    for name, one in plan.groups.items():
        assert isinstance(one.target, int)
        assert by_name[name].minimum <= one.target <= by_name[name].maximum
        assert one.reason
    assert sum(plan.targets.values()) <= max(config.budget, sum(group.minimum for group in config.scaled))


@settings(max_examples=200, deadline=None)
@given(HISTORIES, CONFIGS)
def test_without_data_nothing_changes(history: tuple[Snapshot, ...], config: ScalingConfig) -> None:
    blind = (*history, Snapshot(NOW, None, 3, history[-1].groups if history else None))
    assert decide(NOW, blind, config).groups == {}
    assert decide(NOW, (), config).groups == {}


@settings(max_examples=200, deadline=None)
@given(HISTORIES, CONFIGS, st.sampled_from([3600.0, -86_400.0, 7.0]))
def test_a_decision_depends_on_ages_and_not_on_absolute_times(
    history: tuple[Snapshot, ...], config: ScalingConfig, shift: float
) -> None:
    shifted = [Snapshot(one.at + shift, one.queue_length, one.running_jobs, one.groups) for one in history]
    assert decide(NOW + shift, shifted, config).targets == decide(NOW, history, config).targets


PAST = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 20), st.integers(0, 19)), min_size=1, max_size=10
)  # queue, running jobs, replicas, a minute apart


def minutes(past: list[tuple[int, int, int]]) -> list[Snapshot]:
    """A complete history; the newest snapshot is now."""
    return [
        seen(60.0 * (len(past) - 1 - place), queue, jobs, scaled=replicas)
        for place, (queue, jobs, replicas) in enumerate(past)
    ]


@settings(max_examples=100, deadline=None)
@given(PAST, st.integers(0, 30), st.integers(0, 10))
def test_more_work_never_asks_for_less_and_running_jobs_keep_their_instances(
    past: list[tuple[int, int, int]], more_queue: int, more_jobs: int
) -> None:
    queue, jobs, replicas = past[-1]
    less = target(*minutes(past))
    more = target(*minutes([*past[:-1], (queue + more_queue, jobs + more_jobs, replicas)]))
    assert less is not None
    assert more is not None
    assert less <= more
    assert less >= min(19, jobs - 1), "never under what runs beside the one that is always on"


@settings(max_examples=60, deadline=None)
@given(PAST, st.sampled_from([0, None]))
def test_without_jobs_the_fleet_reaches_its_minimum(past: list[tuple[int, int, int]], jobs: int | None) -> None:
    history, replicas = minutes(past), past[-1][2]
    for tick in range(1, 80):
        at = NOW + 60 * tick
        now_seen = seen(-60 * tick, 0, jobs, scaled=replicas)
        history.append(now_seen)
        replicas = decide(at, history, CONFIG).targets["rtx-3080"]
    assert replicas == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 20))
def test_the_target_does_not_grow_while_instances_start(queue: int, jobs: int) -> None:
    history = [seen(0, queue, jobs)]
    first = decide(NOW, history, CONFIG).targets["rtx-3080"]
    for tick in range(1, 15):
        history.append(seen(-60 * tick, queue, jobs, scaled=first, running=0))
        assert decide(NOW + 60 * tick, history, CONFIG).targets["rtx-3080"] == first


def test_absurd_numbers_never_raise_replicas() -> None:
    for absurd in (-1, 10**12, True, 3.5, math.nan, "7"):
        odd = Snapshot(NOW, absurd, absurd, {"rtx-3080": GroupCounts(3, 0, 0, 3, 0)})  # type: ignore[arg-type]
        assert decide(NOW, [odd], CONFIG).groups == {}
