"""Measures how long one scaling decision takes on a full hour of history: `make bench NAME=decide`, for both rules."""

import statistics
import sys
import time

from avatar_jobs.domain.scaling import GroupConfig, GroupCounts, ScalingConfig, Snapshot, decide
from avatar_jobs.domain.scaling.model import RuleName

TARGET_MS = 5.0  # median; a tick has 50 s for everything
ROUNDS = 400
NOW = 1_800_000_000.0
NAMES = ("avatar-3060", "avatar-3080", "avatar-3090", "avatar-4090")


def main() -> int:
    """Prints the table. Returns 0 when both rules met the target on all histories, else 1."""
    rules: tuple[RuleName, ...] = ("drain", "windowed")
    is_met = True
    print(f"{'rule':<10} {'snapshots':>9} {'median ms':>10} {'p99 ms':>8}   target {TARGET_MS} ms, {ROUNDS} rounds")
    for snapshots in (60, 120):
        for rule in rules:
            times = timed(rule, snapshots)
            median, high = statistics.median(times), sorted(times)[int(len(times) * 0.99)]
            is_met = is_met and median < TARGET_MS
            print(f"{rule:<10} {snapshots:>9} {median:>10.3f} {high:>8.3f}")
    return 0 if is_met else 1


def timed(rule: RuleName, snapshots: int) -> list[float]:
    """Returns the milliseconds of each decision, with one fixed and three scaled groups and a floor."""
    groups = [GroupConfig(NAMES[0], 1, 1, 60.0, fixed=True), *(GroupConfig(name, 0, 19, 45.0) for name in NAMES[1:])]
    config = ScalingConfig(groups=groups, max_total=40, rule=rule, floor=1.0)
    history = [seen(NOW - 3600 + 3600 * place / snapshots, place) for place in range(1, snapshots + 1)]
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        decide(NOW, history, config)
        times.append((time.perf_counter() - began) * 1000)
    return times


def seen(at: float, place: int) -> Snapshot:
    """Returns a snapshot of a busy hour, in which queue and fleet change all the time."""
    counts = {name: GroupCounts(5 + place % 4, 1, 0, 4 + place % 4, 0) for name in NAMES}
    return Snapshot(at, place * 7 % 40, place % 20, counts)


if __name__ == "__main__":
    sys.exit(main())
