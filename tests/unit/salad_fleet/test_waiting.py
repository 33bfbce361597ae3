"""Waiting for Salad is bounded, and a change that Salad accepts but does not show is reported."""

from typing import Any

import pytest

from infra.ops.fleet import applying, destroying
from infra.ops.fleet.model import LiveGroup, LiveState, Plan
from infra.ops.fleet.planning import make_plan
from infra.ops.fleet.salad import SaladError
from tests.support.salad_fleet import FIXED, PlainSalad, fleet_of, group


class Forgetful:
    """A Salad that accepts every change and shows the new value after a number of reads."""

    def __init__(self, before: PlainSalad, plan: Plan, reads: int) -> None:
        self._before = before
        self._plan = plan
        self._reads = reads

    def update_group(self, name: str, patch: dict[str, Any]) -> None:
        """Accepts the patch."""

    def read_state(self, queue: str) -> LiveState:
        """Returns the old state until the last of the reads."""
        self._reads -= 1
        if self._reads == 0:
            self._before.apply(self._plan)
        return self._before.state()


def plan_for_new_image(salad: PlainSalad) -> Plan:
    salad.apply(make_plan(fleet_of(group()), salad.state()))
    return make_plan(fleet_of(group(image="registry/worker:2")), salad.state())


def test_a_change_that_shows_a_moment_later_is_waited_for() -> None:
    salad, pauses = PlainSalad(), list[float]()
    plan = plan_for_new_image(salad)
    applying.carry_out(plan, Forgetful(salad, plan, 3), lambda text: None, pauses.append)  # type: ignore[arg-type]
    assert pauses == [2.0, 2.0]


def test_a_change_that_salad_does_not_keep_is_an_error() -> None:
    salad, pauses = PlainSalad(), list[float]()
    plan = plan_for_new_image(salad)
    with pytest.raises(SaladError, match=r"still shows another value .workers: image.") as caught:
        applying.carry_out(plan, Forgetful(salad, plan, 99), lambda text: None, pauses.append)  # type: ignore[arg-type]
    assert len(pauses) == applying.CHECKS - 1
    assert "Done before that: group workers changed" in str(caught.value)


class Sticky:
    """A Salad whose deleted groups disappear after a number of reads."""

    def __init__(self, reads: int) -> None:
        self._reads = reads
        self.calls: list[str] = []

    def stop_group(self, name: str) -> None:
        """Records the call."""
        self.calls.append(f"stop {name}")

    def delete_group(self, name: str) -> None:
        """Records the call."""
        self.calls.append(f"delete {name}")

    def group(self, name: str) -> object:
        """Returns the group until the last of the reads."""
        self._reads -= 1
        return None if self._reads <= 0 else object()


def removed_group(*, stopped: bool) -> LiveGroup:
    salad = PlainSalad()
    salad.apply(make_plan(fleet_of(group(scaling=FIXED)), salad.state()))
    if stopped:
        salad.stop_group("workers")
    return salad.state().groups["workers"]


@pytest.mark.parametrize("stopped", [True, False])
def test_a_group_is_stopped_deleted_and_waited_for(stopped: bool) -> None:
    salad, pauses, said = Sticky(3), list[float](), list[str]()
    removal = destroying.Removal((removed_group(stopped=stopped),), None)
    destroying.carry_out(removal, salad, said.append, pauses.append)  # type: ignore[arg-type]
    assert salad.calls == ([] if stopped else ["stop workers"]) + ["delete workers"]
    assert (pauses, said) == ([2.0, 2.0], ["group workers destroyed"])


def test_the_wait_for_a_group_that_is_not_removed_ends() -> None:
    pauses: list[float] = []
    removal = destroying.Removal((removed_group(stopped=True),), None)
    with pytest.raises(SaladError, match="group workers is still there 300 s after it was deleted; run destroy again"):
        destroying.carry_out(removal, Sticky(10_000), lambda text: None, pauses.append)  # type: ignore[arg-type]
    assert sum(pauses) == 298.0
