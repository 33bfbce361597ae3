"""Draws the plots of docs/scaling.md. Only this module needs matplotlib, a development dependency."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.scaling import policies, report
from bench.scaling.model import Scenario
from bench.scaling.runs import Results
from bench.scaling.simulate import simulate
from bench.scaling.traces import make_trace

# Text stays text, so files are small, and the same figures give the same bytes.
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "scaling",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
SHOWN_DAY, SHOWN_SEED = "overnight", 10
SHOWN_HOURS = (3.5, 8.0)  # around the batch; the rest of the night is quiet
SHOWN = ("drain balanced", "native, counts running", "windowed, step 3")


def draw(results: Results, traces: Sequence[str], scenario: Scenario, directory: Path) -> list[Path]:
    """Writes the plots as SVG into a directory. Returns their paths. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        return [
            _saved(_trade(results, traces), directory / "dollars-and-waits.svg"),
            _saved(_scores(results, traces), directory / "score.svg"),
            _saved(_day(scenario), directory / "a-day.svg"),
        ]


def _saved(figure: Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    return path


def _trade(results: Results, traces: Sequence[str]) -> Figure:
    """Returns a plot of dollars and p95 waits; lower left is better."""
    figure = Figure(figsize=(7, 4.5))
    axes = figure.subplots()
    for name in report.rows_of(results):
        one = report.overall(results, name, traces)
        axes.plot(one.dollars, one.p95, "s" if name in policies.OURS else "o", label=name)
    axes.set(xlabel="dollars of scaling a trace", ylabel="p95 wait, minutes", xlim=(0, None), ylim=(0, None))
    axes.legend(fontsize=8)
    return figure


def _scores(results: Results, traces: Sequence[str]) -> Figure:
    """Returns a plot of J divided by the clairvoyant's J, the best rule on top."""
    figure = Figure(figsize=(7, 3.5))
    axes = figure.subplots()
    found = sorted(((report.ratio(results, name, traces), name) for name in report.rows_of(results)), reverse=True)
    axes.barh([name for _, name in found], [value for value, _ in found])
    axes.set(xlabel="J against the clairvoyant's (1.0), mean over the loaded traces")
    return figure


def _day(scenario: Scenario) -> Figure:
    """Returns a plot of queue and fleet on one day under three rules."""
    figure = Figure(figsize=(8, 6))
    trace = make_trace(SHOWN_DAY, SHOWN_SEED)
    all_axes = figure.subplots(len(SHOWN), 1, sharex=True)
    for axes, name in zip(all_axes, SHOWN, strict=True):
        outcome = simulate(trace, scenario, policies.RULES[name], SHOWN_SEED, samples=True)
        hours = [sample.at / 3600 for sample in outcome.samples]
        axes.plot(hours, [sample.pending for sample in outcome.samples], color="tab:gray", label="jobs pending")
        axes.plot(
            hours, [sample.replicas for sample in outcome.samples], color="tab:orange", label="replicas asked for"
        )
        axes.plot(hours, [sample.running for sample in outcome.samples], color="tab:blue", label="instances running")
        axes.set_title(f"{name}: ${outcome.dollars:.2f}, p95 {outcome.wait_min(0.95):.1f} min", fontsize=9)
        axes.set(ylim=(0, 80), xlim=SHOWN_HOURS)
    all_axes[0].legend(fontsize=8)
    all_axes[-1].set(xlabel=f"hours of one day `{SHOWN_DAY}`")
    return figure
