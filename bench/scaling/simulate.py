"""Simulates one trace in one scenario under one rule with one seed, and returns the outcome. No clock, no I/O."""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from avatar_jobs.domain.scaling import GroupCounts, ScalingConfig, Snapshot
from bench.scaling.fleet import Group, Instance, Job
from bench.scaling.model import HOUR, Scenario, chance
from bench.scaling.outcome import Outcome, Sample
from bench.scaling.traces import Trace

Rule = Callable[[float, Sequence[Snapshot], ScalingConfig], Mapping[str, int]]
HISTORY = 62  # snapshots for a rule: one hour of ticks, and the one before


def simulate(trace: Trace, scenario: Scenario, rule: Rule, seed: int, *, samples: bool = False) -> Outcome:
    """Runs one trace to its end and returns the outcome. samples: also keep the fleet at each tick, for a plot.

    The same arguments give the same outcome. Different rules get the same random draws of jobs, start-ups and
    interruptions as long as they make the same requests in the same order.
    """
    return Simulation(trace, scenario, rule, seed, samples=samples).run()


class Simulation:
    """One simulation: a heap of events, whose handlers change queue and fleet and add further events."""

    def __init__(self, trace: Trace, scenario: Scenario, rule: Rule, seed: int, *, samples: bool = False) -> None:
        self.trace, self.scenario, self.rule = trace, scenario, rule
        self.config = scenario.config
        lengths = chance("lengths", trace.name, seed)
        mean = -(scenario.sigma**2) / 2  # of the logarithm, so that the mean factor is 1
        self.jobs = [Job(at, math.exp(lengths.gauss(mean, scenario.sigma))) for at in trace.arrivals]
        self.starts, self.ends, self.victims, self.ticks = (
            chance(what, trace.name, seed) for what in ("starts", "ends", "victims", "ticks")
        )
        self.pending: deque[Job] = deque()
        self.idle: dict[Instance, None] = {}  # of all groups: the one that is idle longest gets the next job
        self.events: list[tuple[float, int, Callable[..., None], Any]] = []
        self.order = itertools.count()
        self.now = 0.0
        self.shrunk_at = -math.inf
        self.history: list[Snapshot] = []
        self.samples: list[Sample] | None = [] if samples else None
        self.churn = self.killed = self.interrupted = 0
        self.groups = {machine.name: Group(machine, self._allocate) for machine in scenario.machines}

    def run(self) -> Outcome:
        """Handles all events until the end of the trace. Returns the outcome."""
        self._switch_on()
        for job in self.jobs:
            self._after(job.arrived, self._arrive, job)
        self._after(0.0, self._tick, 1)
        while self.events and self.events[0][0] <= self.trace.end_sec:
            self.now, _, handle, what = heapq.heappop(self.events)
            handle(what)
        self.now = self.trace.end_sec
        for group in self.groups.values():
            for instance in [*group.idle, *group.busy]:
                group.settle(instance, self.now)
        return self._outcome()

    def _after(self, seconds: float, handle: Callable[..., None], what: Any) -> None:
        heapq.heappush(self.events, (self.now + seconds, next(self.order), handle, what))

    # jobs

    def _arrive(self, job: Job) -> None:
        self.pending.append(job)
        self._dispatch()

    def _arrive_first(self, job: Job) -> None:
        self.pending.appendleft(job)
        self._dispatch()

    def _dispatch(self) -> None:
        while self.pending and self.idle:
            instance, job = next(iter(self.idle)), self.pending.popleft()
            del self.idle[instance]
            del instance.group.idle[instance]
            instance.group.busy[instance] = None
            instance.job, instance.busy_since = job, self.now
            job.started, job.tries = self.now, job.tries + 1
            cold = 0.0 if instance.is_warm else self.scenario.cold_sec
            self._after(cold + instance.group.machine.warm_sec * job.factor, self._finish, (instance, job))

    def _finish(self, what: tuple[Instance, Job]) -> None:
        instance, job = what
        if instance.is_gone:
            return
        group = instance.group
        job.finished = self.now
        group.busy_sec += self.now - instance.busy_since
        instance.job, instance.is_warm = None, True
        del group.busy[instance]
        self._set_idle(instance)

    def _fail(self, job: Job) -> None:
        """Handles an attempt whose instance ended: Salad retries, then we submit again, then the job is lost."""
        job.started = None
        if job.tries < self.scenario.salad_attempts:
            self._after(self.scenario.requeue_sec, self._arrive_first, job)
        elif job.submissions < self.scenario.our_attempts:
            job.submissions, job.tries = job.submissions + 1, 0
            self._after(self.scenario.resubmit_sec, self._arrive, job)
        else:
            job.is_lost = True

    # instances

    def _switch_on(self) -> None:
        """Starts the always-on instances, which are warm when the day begins."""
        for group in self.groups.values():
            for _ in range(group.machine.always_on):
                instance = Instance(group)
                instance.is_warm = True
                self._start(instance)

    def _allocate(self, instance: Instance) -> None:
        share = self.starts.random()
        if self.now - self.shrunk_at < self.scenario.grudge_sec:
            share = (1 + share) / 2
        self._after(quantile(self.scenario.startup, share), self._start, instance)

    def _start(self, instance: Instance) -> None:
        if instance.is_gone:
            return
        instance.group.allocating.pop(instance, None)
        instance.running_since = self.now
        if self.scenario.interruptions_hour:
            lifetime = self.ends.expovariate(self.scenario.interruptions_hour / HOUR)
            self._after(lifetime, self._interrupt, instance)
        self._set_idle(instance)

    def _set_idle(self, instance: Instance) -> None:
        instance.group.idle[instance] = None
        self.idle[instance] = None
        self._dispatch()

    def _interrupt(self, instance: Instance) -> None:
        """Removes an instance whose node was lost; Salad replaces it by itself."""
        if instance.is_gone:
            return
        self.interrupted += instance.job is not None
        self._remove(instance)
        instance.group.ask(1)

    def _remove(self, instance: Instance) -> None:
        self.idle.pop(instance, None)
        job = instance.group.remove(instance, self.now)
        if job is not None:
            self._fail(job)

    # the tick

    def _tick(self, number: int) -> None:
        faults, late = self.scenario.faults, self.ticks
        upcoming = (number * self.scenario.tick_sec) + late.random() * faults.jitter_sec
        self._after(max(0.0, upcoming - self.now), self._tick, number + 1)
        is_out = faults.outage is not None and faults.outage[0] <= self.now < faults.outage[1]
        if late.random() < faults.missed or is_out:
            return
        self.history = [*self.history[-HISTORY + 1 :], self._snapshot(is_read=late.random() >= faults.failed_reads)]
        targets = self.rule(self.now, self.history, self.config)
        for name, target in targets.items():
            if not self.groups[name].machine.always_on and late.random() >= faults.failed_writes:
                self._resize(self.groups[name], target)
        if self.samples is not None:
            scaled = [group for group in self.groups.values() if not group.machine.always_on]
            sizes = (sum(group.replicas for group in scaled), sum(group.running for group in scaled))
            self.samples.append(Sample(self.now, len(self.pending), *sizes))

    def _snapshot(self, *, is_read: bool) -> Snapshot:
        busy = sum(len(group.busy) for group in self.groups.values())
        if not is_read:
            return Snapshot(self.now, None, busy, None)
        queue = len(self.pending) + (busy if self.scenario.queue_counts_running else 0)
        counts = {
            name: GroupCounts(group.replicas, len(group.allocating), 0, group.running, 0)
            for name, group in self.groups.items()
        }
        return Snapshot(self.now, queue, busy, counts)

    def _resize(self, group: Group, target: int) -> None:
        change = max(0, target) - group.replicas
        self.churn += abs(change)
        if change > 0:
            group.ask(change)
            return
        if change < 0:
            self.shrunk_at = self.now
        chosen = group.victims(-change, self.victims, has_deletion_cost=self.scenario.has_deletion_cost)
        for instance in chosen:
            self.killed += instance.job is not None
            self._remove(instance)

    def _outcome(self) -> Outcome:
        scaled = [group for group in self.groups.values() if not group.machine.always_on]
        return Outcome(
            waits=[(self.now if job.started is None else job.started) - job.arrived for job in self.jobs],
            completions=[(self.now if job.finished is None else job.finished) - job.arrived for job in self.jobs],
            finished=sum(job.finished is not None for job in self.jobs),
            lost=sum(job.is_lost for job in self.jobs),
            dollars=sum(group.billed_sec / HOUR * group.machine.dollars_hour for group in scaled),
            billed_sec=sum(group.billed_sec for group in scaled),
            busy_sec=sum(group.busy_sec for group in scaled),
            churn=self.churn,
            killed=self.killed,
            interrupted=self.interrupted,
            samples=tuple(self.samples or ()),
        )


def quantile(points: Sequence[tuple[float, float]], share: float) -> float:
    """Returns the value below which a share (0 to 1) lies, interpolated linearly between points (share, value)."""
    for (low, at_low), (high, at_high) in itertools.pairwise(points):
        if share <= high:
            return at_low + (at_high - at_low) * (share - low) / (high - low)
    return points[-1][1]
