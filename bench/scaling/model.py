"""The world that is simulated: machines, start-up, interruptions, the tick's faults; every figure with its source."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from avatar_jobs.domain.scaling import GroupConfig, ScalingConfig

GPU_CLASSES = Path(__file__).resolve().parents[2] / "infra" / "local" / "salad-gpu-classes.json"
PRIORITY = "high"  # the start-up times below were measured with it; lower ones are cheaper and slower to come
HOUR = 3600.0


@cache
def price_hour(gpu_class: str) -> float:
    """Dollars an hour of one GPU class at PRIORITY, by Salad's recorded answer. KeyError for an unknown class."""
    classes = {item["name"]: item["prices"] for item in json.loads(GPU_CLASSES.read_text())["items"]}
    return next(float(price["price"]) for price in classes[gpu_class] if price["priority"] == PRIORITY)


def chance(*names: object) -> random.Random:
    """A source of draws of its own for each purpose, so that one rule's asking does not shift another's luck."""
    return random.Random("-".join(str(name) for name in names))  # noqa: S311 - simulated luck, nothing to guess


@dataclass(frozen=True)
class Machine:
    """One container group: what an hour costs, what a warm job takes, how many are always on (0: it is scaled)."""

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
    """What goes wrong with the tick: none by default."""

    jitter_sec: float = 0.0  # a tick comes up to so much late
    missed: float = 0.0  # share of ticks that never come
    failed_reads: float = 0.0  # share of ticks without an answer of Salad
    failed_writes: float = 0.0  # share of changes that are refused
    outage: tuple[float, float] | None = None  # from, to: no tick at all


@dataclass(frozen=True)
class Scenario:
    """Everything but the arrivals and the rule."""

    machines: Sequence[Machine] = (ALWAYS_ON, SCALED)
    max_total: int = 20
    tick_sec: float = 60.0
    startup: Sequence[tuple[float, float]] = STARTUP
    cold_sec: float = 96.0  # the first job of an instance loads the models: 141 s instead of 45 s on a 3080
    sigma: float = 0.35  # spread of a job's length, lognormal
    interruptions_hour: float = 0.011  # an instance: 1.1 an hour among 100 in Salad's test
    requeue_sec: float = 30.0  # until a killed job is pending again, at the head
    salad_attempts: int = 4  # one and three retries; an interruption counts as a failed attempt
    our_attempts: int = 3  # then we submit the job again
    resubmit_sec: float = 60.0  # Salad's verdict, then the next tick sends it, at the tail
    has_deletion_cost: bool = True  # our worker raises it while it is busy: idle instances go first
    queue_counts_running: bool = False  # the other reading of current_queue_length
    grudge_sec: float = (
        0.0  # whoever scales in starts from the slow half of the nodes for so long; Salad says no such thing
    )
    faults: Faults = field(default_factory=Faults)

    @property
    def config(self) -> ScalingConfig:
        """What a rule is told of this world."""
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
    "churn-hurts": Scenario(grudge_sec=900.0),  # asking and cancelling are not free after all
}
