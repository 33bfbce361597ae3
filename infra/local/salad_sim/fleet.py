"""The fleet's rules: which instances a container group needs, and what happens to each next. No I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

# A container that keeps ending is started again after a pause that doubles up to this many seconds.
MAX_RESTART_PAUSE_SEC = 10.0


class InstanceState(StrEnum):
    """An instance's state in Salad's words. `downloading` is part of `creating`, for the simulator loads no image."""

    ALLOCATING = "allocating"
    CREATING = "creating"
    RUNNING = "running"
    STOPPING = "stopping"


class ScaleInOrder(IntEnum):
    """The order in which instances of equal deletion cost are stopped."""

    ALLOCATING = 0
    CREATING = 1
    RUNNING = 2


@dataclass(frozen=True, kw_only=True)
class ContainerGroup:
    """One container group. body: the create request with every patch merged into it."""

    id: str
    name: str
    body: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    is_started: bool
    version: int = 1

    @property
    def wanted(self) -> int:
        """The number of instances that there should be."""
        return int(self.body["replicas"]) if self.is_started else 0

    @property
    def queue_name(self) -> str | None:
        """The queue that feeds the group, if any."""
        connection = self.body.get("queue_connection")
        return None if connection is None else str(connection["queue_name"])


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One replica of a container group. due: seconds of the monotonic clock."""

    id: str
    group_name: str
    machine_id: str
    version: int
    state: InstanceState
    due: float  # when the state may change next
    updated_at: datetime
    deletion_cost: int = 0
    ready: bool = False
    port: int | None = None  # of the worker, while its process lives
    pid: int | None = None  # of the worker, which leads the process group
    restarts: int = 0
    starts_again: bool = False  # after stopping: on the same node instead of leaving the fleet


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The changes that give a group its wanted instances. start: number of new ones; stop: ids."""

    start: int
    stop: tuple[str, ...]


def plan(group: ContainerGroup, instances: Iterable[Instance]) -> Plan:
    """Returns how many instances a group has to start, and which to stop.

    Every instance of an older version stops. Of the surplus ones the lowest deletion cost stops first (Salad's
    documentation on scale-in), then allocating before creating before running, then the youngest.
    """
    staying = [one for one in instances if one.state is not InstanceState.STOPPING or one.starts_again]
    outdated = [one for one in staying if one.version < group.version]
    current = [one for one in staying if one.version >= group.version]
    surplus = max(0, len(current) - group.wanted)
    youngest_first = reversed(current)
    victims = sorted(youngest_first, key=_scale_in_key)[:surplus]
    return Plan(start=max(0, group.wanted - len(current)), stop=tuple(one.id for one in [*outdated, *victims]))


def _scale_in_key(instance: Instance) -> tuple[int, int]:
    rank = ScaleInOrder.__members__.get(instance.state.name, ScaleInOrder.CREATING)
    return (instance.deletion_cost, int(rank))


def counts(instances: Iterable[Instance]) -> dict[str, int]:
    """Returns the number of instances by state in the form of Salad's instance_status_counts."""
    listed = [one.state for one in instances]
    return {f"{state.value}_count": listed.count(state) for state in InstanceState}


def group_status(group: ContainerGroup, instances: Sequence[Instance]) -> str:
    """Returns a group's status in Salad's words: stopped, pending (no instance), deploying (none runs yet), running."""
    if not group.is_started:
        return "stopped"
    if any(one.state is InstanceState.RUNNING for one in instances):
        return "running"
    return "deploying" if instances else "pending"


def stopping(instance: Instance, now: datetime, *, starts_again: bool) -> Instance:
    """Returns the instance as stopping. starts_again: it restarts on its node afterwards."""
    return replace(
        instance,
        state=InstanceState.STOPPING,
        ready=False,
        starts_again=starts_again,
        updated_at=now,
    )


def restarting(instance: Instance, start_delay_sec: float, monotonic: float, now: datetime) -> Instance:
    """Returns the instance for another start on the same node. The pause before it doubles each time."""
    pause = min(start_delay_sec * 2**instance.restarts, max(MAX_RESTART_PAUSE_SEC, start_delay_sec))
    return replace(
        instance,
        state=InstanceState.CREATING,
        due=monotonic + pause,
        ready=False,
        starts_again=False,
        port=None,
        pid=None,
        restarts=instance.restarts + 1,
        deletion_cost=0,
        updated_at=now,
    )


@dataclass(frozen=True, kw_only=True)
class ProbeTally:
    """A probe's verdict, and how many results in a row contradicted it."""

    passed: bool = False
    against: int = 0


def tallied(tally: ProbeTally, success: bool, success_threshold: int, failure_threshold: int) -> ProbeTally:
    """Returns the tally after one more result: the verdict changes after `threshold` contradicting results in a row."""
    if success == tally.passed:
        return replace(tally, against=0)
    threshold = success_threshold if success else failure_threshold
    against = tally.against + 1
    return ProbeTally(passed=success) if against >= threshold else replace(tally, against=against)
