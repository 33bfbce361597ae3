"""The tables of the comparison, and the check of our rule's targets. No I/O."""

import math
import statistics
from collections.abc import Sequence

from bench.scaling.runs import BEST_FIXED, CLAIRVOYANT, Figures, Results, mean
from bench.tables import table, verdict

DRAIN = "drain balanced"
NOISE = 2  # standard errors: chance alone seldom makes a larger difference
HEADERS = (
    "policy", "p50 min", "p95 min", "p99 min", "$/1000 jobs", "$ a trace", "idle %", "churn", "killed", "lost", "open",
    "J", "J/clairv.",
)  # fmt: skip


def rows_of(results: Results) -> list[str]:
    """Returns the names of the rows: the clairvoyant first, the best fixed fleet last."""
    names = list(dict.fromkeys(name for name, _ in results))
    return [CLAIRVOYANT, *(name for name in names if name not in (CLAIRVOYANT, BEST_FIXED)), BEST_FIXED]


def overall(results: Results, name: str, traces: Sequence[str]) -> Figures:
    """Returns a policy's means over traces; each seed of each trace counts once."""
    return mean(figures for trace in traces for figures in results[name, trace])


def ratio(results: Results, name: str, traces: Sequence[str], against: str = CLAIRVOYANT) -> float:
    """Returns the geometric mean over traces of one policy's J divided by another's."""
    pairs = [(mean(results[name, trace]).score, mean(results[against, trace]).score) for trace in traces]
    ratios = [ours / theirs for ours, theirs in pairs if ours and theirs]
    return statistics.geometric_mean(ratios) if ratios else 1.0


def standard_error(results: Results, name: str, traces: Sequence[str], against: str) -> float:
    """Returns the standard error of `ratio`, paired by seed; 0 with one seed only."""
    variances = []
    for trace in traces:
        pairs = zip(results[name, trace], results[against, trace], strict=True)
        logs = [math.log(ours.score / theirs.score) for ours, theirs in pairs if ours.score and theirs.score]
        variances.append(statistics.variance(logs) / len(logs) if len(logs) > 1 else 0.0)
    return math.sqrt(sum(variances)) / len(traces)


def summary(results: Results, traces: Sequence[str]) -> str:
    """Returns the table with one row for each policy."""
    rows = []
    for name in rows_of(results):
        one = overall(results, name, traces)
        rows.append(
            [
                name, f"{one.p50:.1f}", f"{one.p95:.1f}", f"{one.p99:.1f}", f"{one.per_1000:.2f}", f"{one.dollars:.2f}",
                f"{100 * one.idle:.0f}", f"{one.churn:.0f}", f"{one.killed:.0f}", f"{one.lost:.0f}", f"{one.open:.0f}",
                f"{one.score:.2f}", f"{ratio(results, name, traces):.2f}",
            ]
        )  # fmt: skip
    return table(HEADERS, rows)


def by_trace(results: Results, traces: Sequence[str]) -> str:
    """Returns the table of p95 wait in minutes / dollars by policy and trace."""
    rows = []
    for name in rows_of(results):
        means = [mean(results[name, trace]) for trace in traces]
        rows.append([name, *(f"{one.p95:.1f}/{one.dollars:.2f}" for one in means)])
    return table(["p95 min / $", *traces], rows)


def better_on_both(results: Results, name: str, other: str, traces: Sequence[str]) -> list[str]:
    """Returns the traces on which a policy has lower dollars and a lower p95 wait than another one."""
    found = []
    for trace in traces:
        ours, theirs = mean(results[name, trace]), mean(results[other, trace])
        if ours.dollars < theirs.dollars and ours.p95 < theirs.p95:
            found.append(trace)
    return found


def verdicts(results: Results, traces: Sequence[str], loaded: Sequence[str]) -> tuple[str, bool]:
    """Returns the targets' results as text, and whether all were met. loaded: traces on which rules differ."""
    lines, all_met = [], True
    for other in (name for name in rows_of(results) if name.startswith("windowed")):
        better = better_on_both(results, DRAIN, other, loaded)
        met = len(better) >= len(loaded) - 1
        missing = ", ".join(trace for trace in loaded if trace not in better) or "none"
        lines.append(f"{DRAIN} below {other} in dollars and p95 wait: {len(better)} of {len(loaded)} traces "
                     f"(not: {missing}): {verdict(met=met)}")  # fmt: skip
        all_met &= met
    for other in (name for name in rows_of(results) if name.startswith("native")):
        found, error = ratio(results, DRAIN, loaded, other), standard_error(results, DRAIN, loaded, other)
        met = found <= 1 + NOISE * error
        lines.append(f"J of {DRAIN} against {other}: {found:.3f} (s.e. {error:.3f}), no worse than 1 by more than "
                     f"{NOISE} s.e.: {verdict(met=met)}")  # fmt: skip
        all_met &= met
    lost = overall(results, DRAIN, traces).lost
    lines.append(f"jobs lost by {DRAIN} on all traces: {lost:.0f}: {verdict(met=lost == 0)}")
    return "\n".join(lines), all_met and lost == 0
