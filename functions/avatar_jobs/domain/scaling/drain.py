"""The rule `drain`: one replica per running job, and enough to empty the queue soon; up at once, down after a hold.

In the project's comparison of rules (docs/scaling.md) it costs less and waits less than means over long windows: it
asks for replicas early, because Salad does not bill their start, and it forgets old load within minutes.
"""

import math
from collections.abc import Sequence

from avatar_jobs.domain.scaling.model import HISTORY_SEC, ScalingConfig, Snapshot
from avatar_jobs.domain.scaling.observe import mean_need, need_of, recent, replicas_now

STEP_DOWN = 4  # running jobs unknown: take away a quarter of the fleet per hold, so that few busy instances are lost


def drain(now: float, seen: Sequence[Snapshot], config: ScalingConfig, current: int) -> tuple[int, str]:
    """Returns (replicas of all scaled groups together, reason). seen: oldest first; the last has a queue length."""
    latest = seen[-1]
    if _is_load_unknown(latest, config):
        return _step_down_blindly(now, seen, config, current)
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
    # 7.000000000000001 is seven: a rounding error must not add a replica
    return 0 if need is None else math.ceil(round(need, 6))


def _is_load_unknown(latest: Snapshot, config: ScalingConfig) -> bool:
    """Returns whether the queue is empty and the running jobs are unknown, so that any instance may be busy or idle."""
    unknown = latest.running_jobs is None and not config.queue_includes_running
    return unknown and latest.queue_length == 0


def _step_down_blindly(now: float, seen: Sequence[Snapshot], config: ScalingConfig, current: int) -> tuple[int, str]:
    """Returns one step down when the queue was empty and no group changed during the whole hold, else no change."""
    held = recent(now, seen, config.hold_sec)
    is_covered = seen[0].at <= now - config.hold_sec
    is_empty = all(one.queue_length == 0 for one in held)
    sizes = {_size(one, config) for one in held}
    if not (is_covered and is_empty and len(sizes) == 1):
        return current, "hold: running jobs unknown"
    return max(0, current - max(1, current // STEP_DOWN)), "step down: running jobs unknown"


def _size(snapshot: Snapshot, config: ScalingConfig) -> tuple[int | None, ...]:
    return tuple(replicas_now([snapshot], group) for group in config.scaled)


def _tick_sec(seen: Sequence[Snapshot]) -> float:
    """Returns the mean time between two snapshots in seconds; 60 when there is only one."""
    if len(seen) < 2:
        return 60.0
    return min(HISTORY_SEC, (seen[-1].at - seen[0].at) / (len(seen) - 1))
