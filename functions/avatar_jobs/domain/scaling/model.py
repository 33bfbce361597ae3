"""The values of scaling: snapshot, configuration, plan. Times are seconds since the epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from avatar_jobs.domain.salad import GroupCounts, valid_count

HISTORY_SEC = 3600.0  # how far back the rules look: the longer of the two windows
SALAD_MAX_REPLICAS = 500  # of one container group, Salad's own limit

RuleName = Literal["drain", "windowed"]


@dataclass(frozen=True)
class Snapshot:
    """Queue and fleet at one moment.

    at: seconds since the epoch; queue_length: Salad's count of jobs; running_jobs: our own count; groups: by name.
    None: unknown; an absurd count becomes unknown, and a group with absurd replicas is left out.
    """

    at: float
    queue_length: int | None
    running_jobs: int | None
    groups: Mapping[str, GroupCounts] | None

    def __post_init__(self) -> None:
        """Makes absurd counts unknown, so that every rule can rely on the remaining ones."""
        groups = {name: one for name, one in (self.groups or {}).items() if valid_count(one.replicas) is not None}
        object.__setattr__(self, "queue_length", valid_count(self.queue_length))
        object.__setattr__(self, "running_jobs", valid_count(self.running_jobs))
        object.__setattr__(self, "groups", groups or None)

    def counts(self, group: "GroupConfig") -> GroupCounts | None:
        """Returns the size of one group, None when it is unknown."""
        return (self.groups or {}).get(group.name)

    def running(self, group: "GroupConfig") -> int | None:
        """Returns the running instances of one group, None when they are unknown."""
        counts = self.counts(group)
        return counts.running if counts is not None else None


@dataclass(frozen=True)
class GroupConfig:
    """The settings of one container group.

    minimum, maximum: bounds of its replicas; warm_sec: seconds that a job takes on a warm instance of it; fixed: the
    scaler never changes its replicas, and `minimum` of them are always on.
    """

    name: str
    minimum: int
    maximum: int
    warm_sec: float
    fixed: bool = False


@dataclass(frozen=True)
class WindowedConfig:
    """The settings of the rule `windowed`: thresholds for the mean queue length per replica, windows, cooldowns."""

    up_jobs: float = 2.0  # mean waiting jobs per replica over up_window_sec: more than this adds a step
    down_jobs: float = 0.5  # the same over down_window_sec: less than this takes a step away
    up_window_sec: float = 900.0
    down_window_sec: float = 3600.0
    step: int = 1
    up_cooldown_sec: float = 300.0
    down_cooldown_sec: float = 900.0


@dataclass(frozen=True)
class ScalingConfig:
    """The settings of the decision.

    groups: in order of preference, fixed ones anywhere; max_total: limit for the replicas of all groups together;
    drain_sec: seconds in which the waiting jobs should be done; hold_sec: seconds for which the highest
    need counts on the way down; floor: share of the hour's mean need that is always kept; slack: share of the running
    jobs that is added; stuck_sec: seconds a group may go without nodes before the next one is used;
    queue_includes_running: whether Salad's queue length counts running jobs.
    """

    groups: Sequence[GroupConfig]
    max_total: int
    rule: RuleName = "drain"
    drain_sec: float = 60.0
    hold_sec: float = 180.0
    floor: float = 0.0
    slack: float = 0.0
    stuck_sec: float = 1200.0
    queue_includes_running: bool = False
    windowed: WindowedConfig = field(default_factory=WindowedConfig)

    @property
    def scaled(self) -> Sequence[GroupConfig]:
        """Returns the groups whose replicas the scaler sets, in order of preference."""
        return [group for group in self.groups if not group.fixed]

    @property
    def always_on(self) -> int:
        """Returns the replicas of the fixed groups."""
        return sum(group.minimum for group in self.groups if group.fixed)

    @property
    def budget(self) -> int:
        """Returns the limit for the replicas of all scaled groups together."""
        return max(0, self.max_total - self.always_on)


@dataclass(frozen=True)
class ScalingChoices:
    """The scaling settings.

    config: None when no group is configured to scale; observe_only: decide, but change nothing; manual_hold_sec:
    seconds for which a person's change is kept; daily_usd: US dollars a day, None: no limit.
    """

    config: ScalingConfig | None = None
    observe_only: bool = False
    manual_hold_sec: float = 900.0
    daily_usd: float | None = None


@dataclass(frozen=True)
class GroupPlan:
    """The replicas that one scaled group should have. reason: `up`, `down`, `hold`, or the limit that was reached."""

    target: int
    reason: str


@dataclass(frozen=True)
class Plan:
    """The decision of one tick, with the metrics that explain it.

    groups: by name, empty when everything stays as it is; need: scaled replicas; mean_15_min, mean_60_min: means of the
    queue's length; jobs_per_replica: queue length per running instance.
    """

    groups: Mapping[str, GroupPlan]
    reason: str
    need: float | None = None
    mean_15_min: float | None = None
    mean_60_min: float | None = None
    jobs_per_replica: float | None = None

    @property
    def targets(self) -> Mapping[str, int]:
        """Returns the replicas by group."""
        return {name: group.target for name, group in self.groups.items()}


NO_GROUPS: Mapping[str, GroupPlan] = MappingProxyType({})
