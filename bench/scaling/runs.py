"""Runs many simulations in two processes and returns the figures for the tables."""

import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, partial

from bench.scaling import policies
from bench.scaling.clairvoyant import PLANS, Foresight, Plan
from bench.scaling.model import Scenario
from bench.scaling.outcome import Outcome
from bench.scaling.simulate import Rule, simulate
from bench.scaling.traces import Trace, make_trace

PROCESSES = 2
CLAIRVOYANT, BEST_FIXED = "clairvoyant", "best fixed fleet"
FIXED_SIZES = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 19)
Day = Callable[[int], Trace]  # returns the trace for a seed


@dataclass(frozen=True)
class Figures:
    """The figures of one run, or the mean of several. p50, p95, p99: minutes; idle: a share; killed: for 1000 jobs."""

    p50: float
    p95: float
    p99: float
    dollars: float
    per_1000: float
    idle: float
    churn: float
    killed: float
    lost: float
    open: float
    score: float


@dataclass(frozen=True)
class Task:
    """One simulation. label: its row, of which the best run counts; plan: the clairvoyant's, instead of a rule."""

    label: str
    trace: str
    seed: int
    rule: Rule | None
    plan: Plan | None = None


def tasks_for(traces: Sequence[str], seeds: Sequence[int], rules: Mapping[str, Rule]) -> list[Task]:
    """Returns all simulations: each rule, fixed fleet and clairvoyant plan on each trace and seed."""
    found: list[Task] = []
    for trace in traces:
        for seed in seeds:
            found += [Task(name, trace, seed, rule) for name, rule in rules.items()]
            found += [Task(BEST_FIXED, trace, seed, partial(policies.fixed, count=size)) for size in FIXED_SIZES]
            found += [Task(CLAIRVOYANT, trace, seed, None, plan) for plan in PLANS]
    return found


Results = Mapping[tuple[str, str], Sequence[Figures]]  # (row, trace) -> one a seed


def run_all(tasks: Sequence[Task], scenario: Scenario, days: Mapping[str, Day]) -> Results:
    """Runs the tasks. When a row has several runs for a trace and seed, the one with the best J counts."""
    tasks = sorted(
        tasks, key=lambda task: -len(days[task.trace](task.seed).arrivals)
    )  # long ones first, so that both processes end at about the same time
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        done = pool.map(partial(_run, scenario, days), tasks, chunksize=4)
    best: dict[tuple[str, str, int], Figures] = {}
    for task, figures in zip(tasks, done, strict=True):
        key = (task.label, task.trace, task.seed)
        if key not in best or figures.score < best[key].score:
            best[key] = figures
    found: dict[tuple[str, str], list[Figures]] = {}
    for (label, trace, _), figures in best.items():
        found.setdefault((label, trace), []).append(figures)
    return found


def mean(all_figures: Iterable[Figures]) -> Figures:
    """Returns the mean of each figure, but the sum of lost and open jobs. Raises ValueError without runs."""
    runs = list(all_figures)
    if not runs:
        raise ValueError("a mean needs a run")
    sums = {one.name: sum(getattr(run, one.name) for run in runs) for one in fields(Figures)}
    return Figures(**{name: total if name in ("lost", "open") else total / len(runs) for name, total in sums.items()})


def figures_of(outcome: Outcome) -> Figures:
    """Returns the figures of one run."""
    return Figures(
        p50=outcome.wait_min(0.5),
        p95=outcome.wait_min(0.95),
        p99=outcome.wait_min(0.99),
        dollars=outcome.dollars,
        per_1000=outcome.dollars_per_1000,
        idle=outcome.idle_share,
        churn=outcome.churn,
        killed=1000 * outcome.killed / max(1, outcome.jobs),
        lost=outcome.lost,
        open=outcome.open,
        score=outcome.score,
    )


def _run(scenario: Scenario, days: Mapping[str, Day], task: Task) -> Figures:
    trace = days[task.trace](task.seed)
    rule = Foresight(trace, task.plan) if task.plan else task.rule
    if rule is None:
        raise ValueError(f"{task.label} has neither a rule nor a plan")
    return figures_of(simulate(trace, scenario, rule, task.seed))


@cache
def made_up_day(name: str, seed: int) -> Trace:
    """Returns a generated trace; each process generates it once."""
    return make_trace(name, seed)
