"""Instances of one simulated container group: asked for, running, busy; whom a scale-in takes; what is billed."""

import random
from collections.abc import Callable

from bench.scaling.model import Machine


class Job:
    """One job and what became of it. Times in seconds, None while it has not happened; tries at Salad are of one
    submission, submissions are ours."""

    __slots__ = ("arrived", "factor", "finished", "is_lost", "started", "submissions", "tries")

    def __init__(self, arrived: float, factor: float) -> None:
        self.arrived = arrived
        self.factor = factor  # this job's length against the usual one
        self.started: float | None = None
        self.finished: float | None = None
        self.tries = 0
        self.submissions = 1
        self.is_lost = False


class Instance:
    """One replica on one node, from being asked for until it is gone."""

    __slots__ = ("busy_since", "group", "is_gone", "is_warm", "job", "running_since")

    def __init__(self, group: "Group") -> None:
        self.group = group
        self.running_since: float | None = None
        self.busy_since = 0.0
        self.job: Job | None = None
        self.is_warm = False
        self.is_gone = False


class Group:
    """The replicas of one machine. The three dicts are ordered sets, so that equal runs choose equal victims."""

    def __init__(self, machine: Machine, start: Callable[[Instance], None]) -> None:
        self.machine = machine
        self.allocating: dict[Instance, None] = {}
        self.idle: dict[Instance, None] = {}
        self.busy: dict[Instance, None] = {}
        self.billed_sec = 0.0
        self.busy_sec = 0.0
        self._start = start

    @property
    def running(self) -> int:
        """Instances that are billed."""
        return len(self.idle) + len(self.busy)

    @property
    def replicas(self) -> int:
        """All that was asked for."""
        return len(self.allocating) + self.running

    def ask(self, count: int) -> None:
        """Asks for so many more; each starts when `start` says."""
        for _ in range(count):
            instance = Instance(self)
            self.allocating[instance] = None
            self._start(instance)

    def victims(self, count: int, chance: random.Random, *, has_deletion_cost: bool) -> list[Instance]:
        """Whom a scale-in takes: what is not running yet, the last asked first, then idle ones before busy ones where
        the worker sets the deletion cost, and anyone where it does not."""
        chosen = list(reversed(self.allocating))[:count]
        pools = [[*self.idle], [*self.busy]] if has_deletion_cost else [[*self.idle, *self.busy]]
        for pool in pools:
            chosen += chance.sample(pool, min(len(pool), count - len(chosen)))
        return chosen

    def remove(self, instance: Instance, now: float) -> Job | None:
        """Ends an instance and its bill; returns the job that it was at, if any."""
        instance.is_gone = True
        for pool in (self.allocating, self.idle, self.busy):
            pool.pop(instance, None)
        self.settle(instance, now)
        return instance.job

    def settle(self, instance: Instance, now: float) -> None:
        """Adds what an instance ran and worked until now to the bill."""
        if instance.running_since is not None:
            self.billed_sec += now - instance.running_since
        if instance.job is not None:
            self.busy_sec += now - instance.busy_since
