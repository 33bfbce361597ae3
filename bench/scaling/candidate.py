"""A rule that beat `drain` here and is not in the functions: drain on a short hold, over the load of a quarter hour."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from avatar_jobs.domain.scaling import ScalingConfig, Snapshot, decide

LOAD_SEC = 900.0  # Salad's own advice: a quarter of an hour is the right grain, for starting takes about that long
HOLD_SEC = 60.0  # the load's memory takes the place of most of the hold
MARGIN = 1.1  # Salad's own advice is 5 to 10 % more than the load; 1.3 cost more than it saved


def drain_on_load(now: float, history: Sequence[Snapshot], config: ScalingConfig) -> Mapping[str, int]:
    """What drain says, and at least what the jobs that came within LOAD_SEC keep busy, as one scaled group's replicas.

    The load is the jobs that ran, in the mean, and the work by which the backlog grew meanwhile: unlike a mean of the
    queue it is right at once when a fleet is too small, and falls back as fast as jobs stay away.
    """
    targets = decide(now, history, replace(config, hold_sec=HOLD_SEC)).targets
    group = config.scaled[0]
    known = [one for one in history if one.queue_length is not None and one.at >= now - LOAD_SEC]
    if group.name not in targets or len(known) < 3:  # two give a growth and no mean
        return targets
    grown = _jobs(known[-1], config) - _jobs(known[0], config)
    running = sum(one.running_jobs or 0 for one in known) / len(known)
    load = max(0.0, running + grown * group.warm_sec / (known[-1].at - known[0].at))
    wanted = max(targets[group.name], math.ceil(MARGIN * load - config.always_on))
    return {group.name: min(wanted, group.maximum, config.budget)}


def _jobs(snapshot: Snapshot, config: ScalingConfig) -> int:
    """Waiting and running."""
    return (snapshot.queue_length or 0) + (0 if config.queue_includes_running else snapshot.running_jobs or 0)
