"""The clairvoyant: a rule that knows every arrival in advance, but no start-up time. The best of a family of plans.

It is a strong reference and no proven bound: a plan outside the family might be better.
"""

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from avatar_jobs.domain.scaling import ScalingConfig, Snapshot
from bench.scaling.traces import Trace

HOLD_SEC = 180.0
GRID_SEC = 30.0  # resolution of the coming load: less than the length of a job
WINDOW_SEC = 60.0  # arrivals are counted over a tick


@dataclass(frozen=True)
class Plan:
    """One plan of the clairvoyant.

    lead_sec: how far ahead the load is known; margin: factor on the load; asks: replicas requested for each missing
    instance, which is useful because cancelling late ones costs nothing.
    """

    lead_sec: float
    margin: float
    asks: float


# Half of the starts take under 10 minutes, nine in ten under 40; a lead over half an hour only adds idle instances.
PLANS: Sequence[Plan] = tuple(
    Plan(lead, margin, asks) for lead, margin, asks in itertools.product((120, 480, 900, 1800), (1.0, 1.3), (1.0, 2.0))
)


@dataclass(frozen=True)
class Foresight:
    """A rule for one trace: instances for the coming load, and for the waiting jobs as many as `drain` has."""

    trace: Trace
    plan: Plan

    def __call__(self, now: float, history: Sequence[Snapshot], config: ScalingConfig) -> Mapping[str, int]:
        """Returns the replicas of the scaled group."""
        latest, group = history[-1], config.scaled[0]
        counts = (latest.groups or {}).get(group.name)
        if latest.queue_length is None or counts is None:
            return {}
        coming = self.plan.margin * self._peak(now, group.warm_sec)
        recent = [
            self._need(one, config) for one in history if one.at >= now - HOLD_SEC and one.queue_length is not None
        ]
        need = self._need(latest, config)
        wanted = max(coming - config.always_on, need if need > counts.replicas else min(counts.replicas, max(recent)))
        missing = max(0.0, wanted - (counts.running or 0))
        target = math.ceil((counts.running or 0) + self.plan.asks * missing) if missing else math.ceil(wanted)
        return {group.name: max(0, min(target, config.budget))}

    def _peak(self, now: float, warm_sec: float) -> float:
        """Returns the largest number of jobs that would run at once within lead_sec if each started on arrival."""
        first, last = int(now / GRID_SEC) + 1, int((now + self.plan.lead_sec) / GRID_SEC)
        return max(self._arrived[first : last + 1], default=0) * warm_sec / WINDOW_SEC

    @cached_property
    def _arrived(self) -> Sequence[int]:
        """Returns the number of arrivals in the WINDOW_SEC before each point of the grid."""
        arrivals, points = self.trace.arrivals, range(int(self.trace.end_sec / GRID_SEC) + 1)
        return [
            bisect_right(arrivals, point * GRID_SEC) - bisect_left(arrivals, point * GRID_SEC - WINDOW_SEC)
            for point in points
        ]

    def _need(self, snapshot: Snapshot, config: ScalingConfig) -> float:
        running = snapshot.running_jobs or 0
        waiting = (snapshot.queue_length or 0) - (running if config.queue_includes_running else 0)
        return running + waiting * config.scaled[0].warm_sec / 60 - config.always_on
