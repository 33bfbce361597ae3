"""Jobs, instances and container groups of the simulation: which instances a scale-in stops, and what is billed."""

import random
from collections.abc import Callable

from bench.scaling.model import Machine


class Job:
    """One job. Times are in seconds, None before the event. tries: Salad's, of one submission; submissions: ours."""

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
    """One replica on one node, from the request until its end."""

    __slots__ = ("busy_since", "group", "is_gone", "is_warm", "job", "running_since")

    def __init__(self, group: "Group") -> None:
        self.group = group
        self.running_since: float | None = None
        self.busy_since = 0.0
        self.job: Job | None = None
        self.is_warm = False
        self.is_gone = False


class Group:
    """The replicas of one machine type. Its dicts are ordered sets, so that equal runs stop the same instances."""

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
        """The number of running instances, which are billed."""
        return len(self.idle) + len(self.busy)

    @property
    def replicas(self) -> int:
        """The number of requested replicas."""
        return len(self.allocating) + self.running

    def ask(self, count: int) -> None:
        """Requests `count` more replicas; `start` schedules the start of each."""
        for _ in range(count):
            instance = Instance(self)
            self.allocating[instance] = None
            self._start(instance)

    def victims(self, count: int, chance: random.Random, *, has_deletion_cost: bool) -> list[Instance]:
        """Returns the instances that a scale-in stops: those that still start, newest first, then running ones.

        has_deletion_cost: the worker sets it, so idle instances stop before busy ones; else the choice is random.
        """
        chosen = list(reversed(self.allocating))[:count]
        pools = [[*self.idle], [*self.busy]] if has_deletion_cost else [[*self.idle, *self.busy]]
        for pool in pools:
            chosen += chance.sample(pool, min(len(pool), count - len(chosen)))
        return chosen

    def remove(self, instance: Instance, now: float) -> Job | None:
        """Ends an instance and its bill. Returns the job it was running, None without one."""
        instance.is_gone = True
        for pool in (self.allocating, self.idle, self.busy):
            pool.pop(instance, None)
        self.settle(instance, now)
        return instance.job

    def settle(self, instance: Instance, now: float) -> None:
        """Adds the instance's running and busy seconds until now to the group's sums."""
        if instance.running_since is not None:
            self.billed_sec += now - instance.running_since
        if instance.job is not None:
            self.busy_sec += now - instance.busy_since
