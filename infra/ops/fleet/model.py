"""The plain data of a plan: the wanted fleet, the fleet at Salad, and the changes between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from infra.ops.fleet.file_model import QueueSpec

ENVIRONMENT = "environment."  # prefix of the names of fields that are environment variables
PROBES = ("readiness_probe", "liveness_probe", "startup_probe")
UNKNOWN_SECRET = object()  # the value of a secret that could not be read; it is never compared


@dataclass(frozen=True)
class Connection:
    """A group's connection to its queue: the queue's name, and the port and path that receive the jobs."""

    queue: str
    port: int
    path: str


@dataclass(frozen=True, kw_only=True)
class DesiredGroup:
    """One group as the file wants it.

    least, most: the range of its replicas; fields: the values that this command sets, by name (GPU classes are ids; a
    field without a name here is left as it is); secret_fields: the names whose values are never shown; credentials:
    in the form of Salad's API.
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
    """The fleet as the file wants it, with names resolved; the groups are in order of preference."""

    organization: str
    project: str
    queue: QueueSpec
    groups: tuple[DesiredGroup, ...]


@dataclass(frozen=True, kw_only=True)
class LiveGroup:
    """One group as it is at Salad; its fields have the same names as in DesiredGroup.

    counts: instances by state; foreign: one sentence for each setting that the file cannot express; autoscaled: whether
    Salad's own autoscaler is on.
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
        """Returns how many instances Salad is asked to run."""
        return int(self.fields["replicas"])

    @property
    def instances(self) -> int:
        """Returns how many instances exist, without those that are stopping."""
        return sum(number for state, number in self.counts.items() if state != "stopping")


@dataclass(frozen=True, kw_only=True)
class LiveQueue:
    """The queue as it is at Salad; length: how many jobs wait."""

    name: str
    display_name: str
    description: str
    length: int


@dataclass(frozen=True, kw_only=True)
class GpuClass:
    """One GPU class with its prices in dollars an hour, by priority."""

    id: str
    name: str
    prices: Mapping[str, Decimal]


@dataclass(frozen=True, kw_only=True)
class LiveState:
    """The project at Salad at one moment; quota: replicas the organization may have, quota_used: replicas it has."""

    queue: LiveQueue | None
    groups: Mapping[str, LiveGroup]
    gpu_classes: tuple[GpuClass, ...]
    quota: int
    quota_used: int


@dataclass(frozen=True)
class Change:
    """One field that gets another value."""

    name: str
    old: Any = field(repr=False)
    new: Any = field(repr=False)
    is_secret: bool = False


@dataclass(frozen=True, kw_only=True)
class GroupPlan:
    """The plan for one group; live: None when it does not exist yet.

    refusals: why it cannot be changed to what the file says; drift: differences that apply cannot remove.
    """

    desired: DesiredGroup
    live: LiveGroup | None
    changes: tuple[Change, ...] = ()
    refusals: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()

    @property
    def action(self) -> Literal["create", "change", "leave", "refuse"]:
        """Returns what apply does with the group."""
        if self.refusals:
            return "refuse"
        if self.live is None:
            return "create"
        return "change" if self.changes else "leave"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan for the whole fleet; unmanaged: groups on our queue that the file does not name."""

    fleet: DesiredFleet
    queue_action: Literal["create", "change", "leave"]
    queue_changes: tuple[Change, ...]
    groups: tuple[GroupPlan, ...]
    unmanaged: tuple[LiveGroup, ...]
    refusals: tuple[str, ...] = ()  # of the fleet as a whole

    @property
    def is_empty(self) -> bool:
        """Returns whether there is nothing to create or change."""
        return self.queue_action == "leave" and all(group.action in ("leave", "refuse") for group in self.groups)

    def reasons_against(self, *, accept_drift: bool) -> tuple[str, ...]:
        """Returns the reasons not to apply the plan, one sentence each; with accept_drift, drift is no reason."""
        refused = [reason for group in self.groups for reason in group.refusals]
        drift = [] if accept_drift else [reason for group in self.groups for reason in group.drift]
        return (*self.refusals, *refused, *drift)
