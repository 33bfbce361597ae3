"""The fleet's rules: whom to start and stop, and when a probe's verdict turns."""

from datetime import UTC, datetime
from typing import Any

import pytest

from infra.local.salad_sim import fleet
from infra.local.salad_sim.fleet import ContainerGroup, Instance, InstanceState, ProbeTally

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALLOCATING, CREATING, RUNNING, STOPPING = InstanceState


def group(replicas: int, **fields: Any) -> ContainerGroup:
    body = {"replicas": replicas}
    defaults = {"id": "g", "name": "g", "created_at": NOW, "updated_at": NOW, "is_started": True}
    return ContainerGroup(body=body, **{**defaults, **fields})


def instance(name: str, state: InstanceState = RUNNING, **fields: Any) -> Instance:
    defaults = {"group_name": "g", "machine_id": "m", "version": 1, "due": 0.0, "updated_at": NOW}
    return Instance(id=name, state=state, **{**defaults, **fields})


@pytest.mark.parametrize(
    ("replicas", "instances", "start", "stop"),
    [
        pytest.param(2, [], 2, (), id="from nothing"),
        pytest.param(1, [instance("a")], 0, (), id="nothing to do"),
        pytest.param(1, [instance("a"), instance("b")], 0, ("b",), id="the youngest goes"),
        pytest.param(1, [instance("a"), instance("b", deletion_cost=9)], 0, ("a",), id="the cheapest goes"),
        pytest.param(1, [instance("a", ALLOCATING), instance("b")], 0, ("a",), id="the idle goes"),
        pytest.param(1, [instance("a", CREATING, deletion_cost=1), instance("b")], 0, ("b",), id="cost before state"),
        pytest.param(1, [instance("a", STOPPING)], 1, (), id="one that leaves does not count"),
        pytest.param(1, [instance("a", STOPPING, starts_again=True)], 0, (), id="one that comes back counts"),
        pytest.param(0, [instance("a", STOPPING, starts_again=True)], 0, ("a",), id="unless it must not"),
    ],
)
def test_the_plan_fits_the_replicas(
    replicas: int, instances: list[Instance], start: int, stop: tuple[str, ...]
) -> None:
    assert fleet.plan(group(replicas), instances) == fleet.Plan(start=start, stop=stop)


def test_instances_of_an_older_version_are_replaced() -> None:
    made = fleet.plan(group(1, version=2), [instance("old"), instance("new", version=2)])
    assert made == fleet.Plan(start=0, stop=("old",))
    assert fleet.plan(group(1, version=2), [instance("old")]) == fleet.Plan(start=1, stop=("old",))


def test_a_stopped_group_wants_nothing() -> None:
    assert fleet.plan(group(3, is_started=False), [instance("a")]).stop == ("a",)


@pytest.mark.parametrize(
    ("is_started", "instances", "status"),
    [
        (False, [instance("a")], "stopped"),
        (True, [], "pending"),
        (True, [instance("a", CREATING)], "deploying"),
        (True, [instance("a", CREATING), instance("b")], "running"),
    ],
)
def test_the_groups_status(is_started: bool, instances: list[Instance], status: str) -> None:
    assert fleet.group_status(group(2, is_started=is_started), instances) == status


def test_a_container_that_keeps_ending_starts_later_each_time_up_to_a_limit() -> None:
    one = instance("a")
    dues = []
    for _ in range(10):
        one = fleet.restarting(one, 0.3, 0.0, NOW)
        dues.append(one.due)
    assert dues[:3] == [0.3, 0.6, 1.2]
    assert dues[-1] == fleet.MAX_RESTART_PAUSE_SEC


@pytest.mark.parametrize(
    ("results", "verdicts"),
    [
        ("+", [True]),  # success_threshold 1
        ("+--", [True, True, False]),  # failure_threshold 2
        ("+-+-", [True, True, True, True]),  # failures must be in a row
        ("-", [False]),
    ],
)
def test_a_probes_verdict_turns_at_its_threshold(results: str, verdicts: list[bool]) -> None:
    tally, seen = ProbeTally(), []
    for result in results:
        tally = fleet.tallied(tally, result == "+", success_threshold=1, failure_threshold=2)
        seen.append(tally.passed)
    assert seen == verdicts
