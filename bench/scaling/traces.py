"""Arrival times of jobs: eleven generated days, equal for equal seeds, or a real day from recorded snapshots."""

import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.scaling.model import HOUR, chance

QUIET_SEC = 2 * HOUR  # time after the last arrival, so that a fleet that is kept too long costs money
Rate = Callable[[float], float]  # jobs an hour at a second of the day


@dataclass(frozen=True)
class Trace:
    """The sorted arrival times of a day in seconds. end_sec: end of the simulation."""

    name: str
    arrivals: Sequence[float]
    end_sec: float


def _poisson(rate: Rate, peak: float, hours: float, source: random.Random) -> Iterator[float]:
    """Yields arrivals with a varying rate, by thinning."""
    at = 0.0
    while True:
        at += source.expovariate(peak / HOUR)
        if at >= hours * HOUR:
            return
        if source.random() * peak < rate(at):
            yield at


def _diurnal(at: float) -> float:
    return 20 + 440 * (0.5 - 0.5 * math.cos(2 * math.pi * at / (24 * HOUR)))


def _flash(at: float) -> float:
    return 1200.0 if HOUR <= at < HOUR + 1200 else 30.0


def _on_off(at: float) -> float:
    return 600.0 if at % 1800 < 600 else 0.0


def _overnight(at: float) -> float:
    return 600.0 if 4 * HOUR <= at < 5 * HOUR else 6.0


def _ramp(at: float) -> float:
    return 600 * min(at / (5 * HOUR), (8 * HOUR - at) / (3 * HOUR))


# name: rate, its peak, hours
RATES: Mapping[str, tuple[Rate, float, float]] = {
    "sparse": (lambda _: 2.0, 2.0, 8),
    "steady40": (lambda _: 40.0, 40.0, 8),
    "steady240": (lambda _: 240.0, 240.0, 8),
    "steady900": (lambda _: 900.0, 900.0, 6),
    "diurnal": (_diurnal, 460.0, 24),
    "flash": (_flash, 1200.0, 5),
    "onoff": (_on_off, 600.0, 8),
    "overnight": (_overnight, 600.0, 10),
    "ramp": (_ramp, 600.0, 8),
}
NAMES = (
    "none",
    "sparse",
    "steady40",
    "steady240",
    "steady900",
    "diurnal",
    "flash",
    "batch450",
    "onoff",
    "overnight",
    "ramp",
)
LOADED_NAMES = NAMES[2:]  # on `none` and `sparse` the always-on instance is enough, so all rules are equal
BATCH_JOBS, BATCH_SEC = 450, 60.0


def make_trace(name: str, seed: int) -> Trace:
    """Returns the trace of this name. Raises KeyError for a name that is not in NAMES."""
    source = chance(name, seed)
    if name == "none":
        return Trace(name, (), 8 * HOUR)
    if name == "batch450":
        arrivals = sorted(HOUR + source.uniform(0, BATCH_SEC) for _ in range(BATCH_JOBS))
        return Trace(name, arrivals, arrivals[-1] + QUIET_SEC)
    rate, peak, hours = RATES[name]
    return Trace(name, tuple(_poisson(rate, peak, hours, source)), hours * HOUR + QUIET_SEC)


def read_replay(path: Path, warm_sec: float) -> Trace:
    """Returns a recorded day from a JSON list of snapshots as the tick archives them.

    A snapshot has `at` (seconds), `queue_length`, `running_jobs` and optionally `submitted_total`. Without the latter,
    arrivals are estimated from the growth of the queue and the jobs that were finished, at warm_sec seconds each.

    Raises ValueError when the file is no such list, OSError when it cannot be read.
    """
    recorded = json.loads(path.read_text())
    if not isinstance(recorded, list) or not all(isinstance(one, dict) and "at" in one for one in recorded):
        raise ValueError(f"{path} holds no list of snapshots with `at`")
    snapshots = [one for one in recorded if one.get("queue_length") is not None]
    if len(snapshots) < 2:
        raise ValueError(f"{path} holds fewer than two snapshots with a queue_length")
    snapshots.sort(key=lambda one: one["at"])
    start, arrivals, carried = snapshots[0]["at"], [], 0.0
    for earlier, later in itertools.pairwise(snapshots):
        carried += _arrived(earlier, later, warm_sec)
        count = max(0, int(carried))
        carried -= count
        step = (later["at"] - earlier["at"]) / max(1, count)
        arrivals += [earlier["at"] - start + (number + 0.5) * step for number in range(count)]
    waiting = [0.0] * (snapshots[0]["queue_length"] + (snapshots[0].get("running_jobs") or 0))
    return Trace(path.stem, (*waiting, *arrivals), snapshots[-1]["at"] - start + QUIET_SEC)


def _arrived(earlier: Mapping[str, float], later: Mapping[str, float], warm_sec: float) -> float:
    if earlier.get("submitted_total") is not None and later.get("submitted_total") is not None:
        return later["submitted_total"] - earlier["submitted_total"]
    running = [float(one.get("running_jobs") or 0) for one in (earlier, later)]
    grown = later["queue_length"] + running[1] - earlier["queue_length"] - running[0]
    return grown + sum(running) / 2 * (later["at"] - earlier["at"]) / warm_sec
