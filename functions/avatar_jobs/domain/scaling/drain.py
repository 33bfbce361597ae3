"""The rule `drain`: one replica a running job and enough to work the queue off soon; up at once, down after a hold.

The specification is the project's comparison of scaling rules: a set point beats windowed means on dollars and waits,
because it asks early (starting is not billed) and forgets load that is gone within minutes.
"""

import math
from collections.abc import Sequence

from avatar_jobs.domain.scaling.model import HISTORY_SEC, ScalingConfig, Snapshot
from avatar_jobs.domain.scaling.observe import mean_need, need_of, recent, replicas_now, valid_count

STEP_DOWN = 4  # blind to running jobs: a quarter of the fleet a hold, so that few busy ones are hit


def drain(now: float, seen: Sequence[Snapshot], config: ScalingConfig, current: int) -> tuple[int, str]:
    """Gives (replicas wanted of all scaled groups, why). seen: oldest first, the last with a known queue length."""
    latest = seen[-1]
    if _is_in_the_dark(latest, config):
        return _feel_the_way_down(now, seen, config, current)
    wanted = _whole(need_of(latest, config))
    if wanted > current:
        return wanted, "need"
    needs = [need_of(one, config) for one in recent(now, seen, config.hold_sec)]
    held = max([wanted, *(_whole(need) for need in needs if need is not None)])
    kept = max(0, min(current, held))
    floor = round(config.floor * mean_need(now, seen, config, _tick_sec(seen))) if config.floor else 0
    if floor > kept:
        return floor, "floor"
    if kept == current:
        return current, "need" if held == wanted else "hold"
    return kept, "need" if held == wanted else "hold"


def _whole(need: float | None) -> int:
    # 7.000000000000001 is seven: sums of floats must not ask for one more
    return 0 if need is None else math.ceil(round(need, 6))


def _is_in_the_dark(latest: Snapshot, config: ScalingConfig) -> bool:
    """An empty queue of which nobody knows how many jobs run: they may be none, or all."""
    unknown = valid_count(latest.running_jobs) is None and not config.queue_includes_running
    return unknown and valid_count(latest.queue_length) == 0


def _feel_the_way_down(now: float, seen: Sequence[Snapshot], config: ScalingConfig, current: int) -> tuple[int, str]:
    """A step down only when the queue was empty for all of the hold and nothing changed in it."""
    held = recent(now, seen, config.hold_sec)
    is_covered = seen[0].at <= now - config.hold_sec
    is_empty = all(valid_count(one.queue_length) == 0 for one in held)
    sizes = {_size(one, config) for one in held}
    if not (is_covered and is_empty and len(sizes) == 1):
        return current, "hold: running jobs unknown"
    return max(0, current - max(1, current // STEP_DOWN)), "step down: running jobs unknown"


def _size(snapshot: Snapshot, config: ScalingConfig) -> tuple[int | None, ...]:
    return tuple(replicas_now([snapshot], group) for group in config.scaled)


def _tick_sec(seen: Sequence[Snapshot]) -> float:
    """The usual time between two snapshots; a minute when there is only one."""
    if len(seen) < 2:
        return 60.0
    return min(HISTORY_SEC, (seen[-1].at - seen[0].at) / (len(seen) - 1))
