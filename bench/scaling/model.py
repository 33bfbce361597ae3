"""The simulated world: machines, start-up times, interruptions and the tick's faults, each figure with its source."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from avatar_jobs.domain.scaling import GroupConfig, ScalingConfig

GPU_CLASSES = Path(__file__).resolve().parents[2] / "infra" / "local" / "salad-gpu-classes.json"
PRIORITY = "high"  # the start-up times below were measured with it; lower priorities are cheaper and start later
HOUR = 3600.0


@cache
def price_hour(gpu_class: str) -> float:
    """Returns the dollars an hour of a GPU class at PRIORITY, from Salad's recorded answer. Raises KeyError."""
    classes = {item["name"]: item["prices"] for item in json.loads(GPU_CLASSES.read_text())["items"]}
    return next(float(price["price"]) for price in classes[gpu_class] if price["priority"] == PRIORITY)


def chance(*names: object) -> random.Random:
    """Returns a random source for one purpose, so that the number of draws for one does not change another."""
    return random.Random("-".join(str(name) for name in names))  # noqa: S311 - a simulation needs no secure random numbers


@dataclass(frozen=True)
class Machine:
    """One container group. warm_sec: a job's seconds on a warm instance; always_on: fixed replicas, 0 if scaled."""

    name: str
    dollars_hour: float
    warm_sec: float
    always_on: int = 0


# Salad's own test: 100 instances, high priority, a 5.5 GB image. (share of starts, seconds), straight lines between.
STARTUP: Sequence[tuple[float, float]] = ((0.0, 180), (0.5, 600), (0.8, 1200), (0.9, 2400), (1.0, 4800))
ALWAYS_ON = Machine("rtx-3060", price_hour("RTX 3060 (12 GB)"), 60.0, always_on=1)  # 60 s and 45 s are assumptions
SCALED = Machine("rtx-3080", price_hour("RTX 3080 (10 GB)"), 45.0)


@dataclass(frozen=True)
class Faults:
    """The tick's faults; there are none by default."""

    jitter_sec: float = 0.0  # a tick is up to this late
    missed: float = 0.0  # share of ticks that do not happen
    failed_reads: float = 0.0  # share of ticks without an answer from Salad
    failed_writes: float = 0.0  # share of changes that are refused
    outage: tuple[float, float] | None = None  # from, to: no ticks


@dataclass(frozen=True)
class Scenario:
    """Everything that is simulated except the arrivals and the rule."""

    machines: Sequence[Machine] = (ALWAYS_ON, SCALED)
    max_total: int = 20
    tick_sec: float = 60.0
    startup: Sequence[tuple[float, float]] = STARTUP
    cold_sec: float = 96.0  # the first job of an instance loads the models: 141 s instead of 45 s on a 3080
    sigma: float = 0.35  # spread of a job's length, lognormal
    interruptions_hour: float = 0.011  # an instance: 1.1 an hour among 100 in Salad's test
    requeue_sec: float = 30.0  # until a killed job is pending again, at the head
    salad_attempts: int = 4  # one and three retries; an interruption counts as a failed attempt
    our_attempts: int = 3  # the number of times that we submit a job
    resubmit_sec: float = 60.0  # until the tick after Salad's failure submits it again, at the tail
    has_deletion_cost: bool = True  # our worker raises it while it is busy: idle instances go first
    queue_counts_running: bool = False  # the other reading of current_queue_length
    # for so long after a scale-in new instances come from the slow half of the nodes; Salad documents nothing like it
    grudge_sec: float = 0.0
    faults: Faults = field(default_factory=Faults)

    @property
    def config(self) -> ScalingConfig:
        """The configuration that a rule gets."""
        groups = [
            GroupConfig(
                machine.name,
                machine.always_on,
                machine.always_on or self.max_total,
                machine.warm_sec,
                fixed=machine.always_on > 0,
            )
            for machine in self.machines
        ]
        return ScalingConfig(groups, self.max_total, queue_includes_running=self.queue_counts_running)


SLOW, FAST = 2.0, 0.4  # start-up of a far larger image, and of a small one with baked weights

SCENARIOS: Mapping[str, Scenario] = {
    "base": Scenario(),
    "faulty": Scenario(faults=Faults(20.0, 0.05, 0.10, 0.05, (2 * HOUR, 2.25 * HOUR))),
    "random-victims": Scenario(has_deletion_cost=False),
    "counts-running": Scenario(queue_counts_running=True),
    "slow": Scenario(startup=tuple((share, SLOW * seconds) for share, seconds in STARTUP)),
    "fast": Scenario(startup=tuple((share, FAST * seconds) for share, seconds in STARTUP)),
    "interrupted": Scenario(interruptions_hour=5 * 0.011),
    "churn-hurts": Scenario(grudge_sec=900.0),  # requesting and cancelling have a price
}
