"""The plain data of scaling: what is seen, what is configured, what is planned. Times are seconds since the epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from avatar_jobs.domain.salad import GroupCounts

HISTORY_SEC = 3600.0  # how far back rules look: the longer of the two windows
SALAD_MAX_REPLICAS = 500  # of one container group, Salad's own limit

RuleName = Literal["drain", "windowed"]


@dataclass(frozen=True)
class Snapshot:
    """Queue and fleet at one moment.

    at: seconds since the epoch; queue_length: Salad's count of jobs; running_jobs: our own count; groups: by name.
    None: unknown.
    """

    at: float
    queue_length: int | None
    running_jobs: int | None
    groups: Mapping[str, GroupCounts] | None


@dataclass(frozen=True)
class GroupConfig:
    """One container group. warm_sec: what a job takes on a warm instance of it; fixed: its replicas are never touched,
    and `minimum` of them are always on."""

    name: str
    minimum: int
    maximum: int
    warm_sec: float
    fixed: bool = False


@dataclass(frozen=True)
class WindowedConfig:
    """The first system's rule: mean queue lengths by replica over 15 and 60 minutes, thresholds and cooldowns."""

    up_jobs: float = 2.0  # jobs waiting a replica over 15 minutes: more adds a step
    down_jobs: float = 0.5  # over 60 minutes: less takes a step away
    up_window_sec: float = 900.0
    down_window_sec: float = 3600.0
    step: int = 1
    up_cooldown_sec: float = 300.0
    down_cooldown_sec: float = 900.0


@dataclass(frozen=True)
class ScalingConfig:
    """What decides besides what is seen.

    groups: in order of preference, fixed ones anywhere; max_total: replicas of all groups together; drain_sec: in how
    long a waiting queue shall be worked off; hold_sec: how long a need is remembered on the way down; floor: part of
    the hour's mean need that is always kept; slack: part of the running jobs that is added; stuck_sec: how long a group
    may get no nodes before the next one is used; queue_includes_running: whether Salad's queue length counts jobs that
    run.
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
        """The groups whose replicas are set, in order of preference."""
        return [group for group in self.groups if not group.fixed]

    @property
    def always_on(self) -> int:
        """The replicas of the fixed groups."""
        return sum(group.minimum for group in self.groups if group.fixed)

    @property
    def budget(self) -> int:
        """How many replicas all scaled groups may have together."""
        return max(0, self.max_total - self.always_on)


@dataclass(frozen=True)
class ScalingChoices:
    """What the settings say. config: None when no group is configured to scale; observe_only: decide and change
    nothing; manual_hold_sec: how long somebody else's change stands; daily_usd: None means no limit."""

    config: ScalingConfig | None = None
    observe_only: bool = False
    manual_hold_sec: float = 900.0
    daily_usd: float | None = None


@dataclass(frozen=True)
class GroupPlan:
    """What one scaled group should have, and what decided it: `up`, `down`, `hold`, or a limit that was reached."""

    target: int
    reason: str


@dataclass(frozen=True)
class Plan:
    """The decision of one tick: targets of scaled groups (none: hold everything), in one word why, and the figures that
    explain it: the need by the rule, the means of the queue's length over 15 and 60 minutes, jobs a running replica."""

    groups: Mapping[str, GroupPlan]
    reason: str
    need: float | None = None
    mean_15_min: float | None = None
    mean_60_min: float | None = None
    jobs_per_replica: float | None = None

    @property
    def targets(self) -> Mapping[str, int]:
        """Replicas by group."""
        return {name: group.target for name, group in self.groups.items()}


NO_GROUPS: Mapping[str, GroupPlan] = MappingProxyType({})
