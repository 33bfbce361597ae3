"""The plain data that plans are made of: what the file wants, what Salad has, and what has to change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from infra.ops.fleet.file_model import QueueSpec

ENVIRONMENT = "environment."  # the begin of the names of fields that are environment variables
PROBES = ("readiness_probe", "liveness_probe", "startup_probe")
UNKNOWN_SECRET = object()  # stands for the value of a secret that could not be had: compared with nothing


@dataclass(frozen=True)
class Connection:
    """What feeds a group: the queue's name, and where jobs are handed over."""

    queue: str
    port: int
    path: str


@dataclass(frozen=True, kw_only=True)
class DesiredGroup:
    """What the file says of one group.

    fields: by name, all that this command keeps as the file says; a missing name is left as it is. GPU classes are
    ids. secret_fields: those whose values are never shown. credentials: as Salad's API takes them.
    """

    name: str
    connection: Connection
    scaling: Literal["fixed", "tick"]
    least: int
    most: int
    fields: Mapping[str, Any] = field(repr=False)
    secret_fields: frozenset[str] = frozenset()
    credentials: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class DesiredFleet:
    """What the file says, with names resolved; groups in order of preference."""

    organization: str
    project: str
    queue: QueueSpec
    groups: tuple[DesiredGroup, ...]


@dataclass(frozen=True, kw_only=True)
class LiveGroup:
    """What Salad says of one group; fields under the same names as DesiredGroup's.

    foreign: one sentence for each setting that the file has no word for; autoscaled: Salad's own autoscaler is on.
    """

    name: str
    connection: Connection | None
    fields: Mapping[str, Any] = field(repr=False)
    status: str
    counts: Mapping[str, int]
    foreign: tuple[str, ...] = ()
    autoscaled: bool = False

    @property
    def replicas(self) -> int:
        """How many instances Salad shall keep."""
        return int(self.fields["replicas"])

    @property
    def instances(self) -> int:
        """How many instances there are that do not stop."""
        return sum(number for state, number in self.counts.items() if state != "stopping")


@dataclass(frozen=True, kw_only=True)
class LiveQueue:
    """What Salad says of the queue."""

    name: str
    display_name: str
    description: str
    length: int


@dataclass(frozen=True, kw_only=True)
class GpuClass:
    """One GPU class with its prices, dollars an hour by priority."""

    id: str
    name: str
    prices: Mapping[str, Decimal]


@dataclass(frozen=True, kw_only=True)
class LiveState:
    """One look at Salad."""

    queue: LiveQueue | None
    groups: Mapping[str, LiveGroup]
    gpu_classes: tuple[GpuClass, ...]
    quota: int
    quota_used: int


@dataclass(frozen=True)
class Change:
    """One field that becomes another value."""

    name: str
    old: Any = field(repr=False)
    new: Any = field(repr=False)
    is_secret: bool = False


@dataclass(frozen=True, kw_only=True)
class GroupPlan:
    """What becomes of one group.

    refusals: why it cannot be brought to what the file says; drift: what is different and would be left so.
    """

    desired: DesiredGroup
    live: LiveGroup | None
    changes: tuple[Change, ...] = ()
    refusals: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()

    @property
    def action(self) -> Literal["create", "change", "leave", "refuse"]:
        """What happens to it."""
        if self.refusals:
            return "refuse"
        if self.live is None:
            return "create"
        return "change" if self.changes else "leave"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What becomes of the whole fleet; unmanaged: groups on our queue that the file does not name."""

    fleet: DesiredFleet
    queue_action: Literal["create", "change", "leave"]
    queue_changes: tuple[Change, ...]
    groups: tuple[GroupPlan, ...]
    unmanaged: tuple[LiveGroup, ...]
    refusals: tuple[str, ...] = ()  # of the fleet as a whole

    @property
    def is_empty(self) -> bool:
        """Whether nothing has to be written."""
        return self.queue_action == "leave" and all(group.action in ("leave", "refuse") for group in self.groups)

    def reasons_against(self, *, accept_drift: bool) -> tuple[str, ...]:
        """Why it must not be applied, one sentence each."""
        refused = [reason for group in self.groups for reason in group.refusals]
        drift = [] if accept_drift else [reason for group in self.groups for reason in group.drift]
        return (*self.refusals, *refused, *drift)
