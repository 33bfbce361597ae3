"""The simulated Salad and the rules compared on it: same seed same day, no job vanishes, seconds are billed once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar_jobs.domain.scaling import GroupCounts, ScalingConfig, Snapshot
from bench.scaling import policies, report
from bench.scaling.__main__ import main
from bench.scaling.candidate import drain_on_load
from bench.scaling.clairvoyant import Foresight, Plan
from bench.scaling.model import ALWAYS_ON, HOUR, SCALED, SCENARIOS, Faults, Scenario, price_hour
from bench.scaling.runs import figures_of, mean
from bench.scaling.simulate import Rule, Simulation, quantile, simulate
from bench.scaling.traces import LOADED_NAMES, NAMES, Trace, make_trace, read_replay

DRAIN = policies.OURS["drain balanced"]
CALM = Scenario(startup=((0.0, 600), (1.0, 600)), sigma=0.0, interruptions_hour=0.0)  # ten minutes, no randomness
CONFIG = CALM.config


def asks(*steps: tuple[float, int]) -> Rule:
    """A rule that asks for what its list says from that second on."""

    def rule(now: float, history: Sequence[Snapshot], config: ScalingConfig) -> Mapping[str, int]:
        return {SCALED.name: [count for since, count in steps if since <= now][-1]}

    return rule


def own_rule(now: float, history: Sequence[Snapshot], config: ScalingConfig) -> Mapping[str, int]:
    """A user's own rule for --policy."""
    return {SCALED.name: 2}


def seen(at: float, queue: int | None, jobs: int, replicas: int) -> Snapshot:
    return Snapshot(
        at,
        queue,
        jobs,
        {ALWAYS_ON.name: GroupCounts(1, 0, 0, 1, 0), SCALED.name: GroupCounts(replicas, 0, 0, replicas)},
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_is_the_same_for_the_same_seed_and_sorted(name: str) -> None:
    trace = make_trace(name, 3)
    assert trace == make_trace(name, 3)
    assert list(trace.arrivals) == sorted(trace.arrivals)
    assert all(0 <= at < trace.end_sec for at in trace.arrivals)
    if trace.arrivals:
        assert trace.arrivals != make_trace(name, 4).arrivals


def test_there_are_at_least_ten_traces() -> None:
    assert len(NAMES) >= 10
    assert len(LOADED_NAMES) == 9


@pytest.mark.parametrize("scenario", ["base", "faulty", "random-victims"])
def test_the_same_seed_gives_the_same_day_and_another_seed_another(scenario: str) -> None:
    trace = make_trace("flash", 1)
    first = simulate(trace, SCENARIOS[scenario], DRAIN, 1)
    assert first == simulate(trace, SCENARIOS[scenario], DRAIN, 1)
    assert first != simulate(trace, SCENARIOS[scenario], DRAIN, 2)


@settings(max_examples=25, deadline=None)
@given(
    arrivals=st.lists(st.floats(0, 3 * HOUR), max_size=60),
    sizes=st.lists(st.integers(0, 19), min_size=1, max_size=20),
    interruptions=st.sampled_from([0.0, 3.0, 60.0]),
    has_cost=st.booleans(),
)
def test_every_job_is_finished_lost_or_open_and_no_second_is_billed_twice(
    arrivals: list[float], sizes: list[int], interruptions: float, has_cost: bool
) -> None:
    scenario = Scenario(interruptions_hour=interruptions, has_deletion_cost=has_cost)
    wild = asks(*((600.0 * number, size) for number, size in enumerate(sizes)))
    run = Simulation(Trace("wild", sorted(arrivals), 4 * HOUR), scenario, wild, 5)
    outcome = run.run()
    assert outcome.finished + outcome.lost + outcome.open == outcome.jobs == len(arrivals)
    assert outcome.open >= 0
    assert all(job.finished is None or job.started is not None for job in run.jobs)
    assert not any(job.is_lost and job.finished is not None for job in run.jobs)
    assert 0 <= outcome.busy_sec <= outcome.billed_sec + 1e-6
    assert outcome.billed_sec <= 19 * 4 * HOUR


def test_only_running_seconds_are_billed() -> None:
    outcome = simulate(Trace("quiet", (), 2 * HOUR), CALM, asks((0, 3), (3600, 1)), 0)
    assert outcome.billed_sec == 3 * 3000 + 3600  # three from minute 10 to 60, one to the end
    assert outcome.dollars == pytest.approx((3 * 3000 + 3600) / 3600 * price_hour("RTX 3080 (10 GB)"))
    assert outcome.idle_share == 1.0


def test_cancelling_an_instance_that_still_starts_costs_nothing() -> None:
    outcome = simulate(Trace("quiet", (), 2 * HOUR), CALM, asks((0, 5), (540, 0)), 0)
    assert (outcome.billed_sec, outcome.churn) == (0, 10)


def test_the_first_job_of_an_instance_is_cold_and_the_next_is_warm() -> None:
    scenario = replace(CALM, machines=(replace(ALWAYS_ON, always_on=0, warm_sec=1e9), SCALED))
    idle_fixed = replace(scenario, machines=(SCALED,))
    outcome = simulate(Trace("two", (1000.0, 2000.0), 2 * HOUR), idle_fixed, asks((0, 1)), 0)
    assert outcome.completions == [96 + 45, 45]
    assert outcome.busy_sec == 96 + 45 + 45


def test_the_job_of_an_interrupted_instance_returns_to_the_head_of_the_queue() -> None:
    scenario = replace(CALM, machines=(SCALED,))
    trace = Trace("kill", (1000.0, 1001.0), 2 * HOUR)
    run = Simulation(trace, scenario, asks((0, 1), (1020, 0), (1080, 1)), 0)
    outcome = run.run()
    assert outcome.killed == 1
    assert [job.tries for job in run.jobs] == [2, 1]
    first, second = (job.started for job in run.jobs)
    assert first is not None
    assert second is not None
    assert first < second  # the second waited behind it all the time
    assert outcome.finished == 2


def test_a_job_that_fails_always_is_tried_twelve_times_and_then_lost() -> None:
    scenario = replace(
        CALM, machines=(replace(SCALED, warm_sec=1e6),), interruptions_hour=120.0, startup=((0, 1), (1, 1))
    )
    run = Simulation(Trace("bad", (0.0,), 24 * HOUR), scenario, asks((0, 1)), 0)
    outcome = run.run()
    assert outcome.interrupted == 12
    assert (outcome.lost, run.jobs[0].submissions, run.jobs[0].tries) == (1, 3, 4)


def test_with_a_deletion_cost_idle_instances_stop_first() -> None:
    trace = Trace("some", tuple(1100.0 + number for number in range(4)), 2 * HOUR)
    shrinks = asks((0, 10), (1140, 4))
    kept = replace(CALM, machines=(SCALED,))
    assert simulate(trace, kept, shrinks, 0).killed == 0
    unlucky = [simulate(trace, replace(kept, has_deletion_cost=False), shrinks, seed).killed for seed in range(5)]
    assert sum(unlucky) > 0


def test_missed_ticks_failed_reads_and_failed_writes_happen_as_often_as_they_should() -> None:
    ticks: list[Snapshot] = []

    def watch(now: float, history: Sequence[Snapshot], config: ScalingConfig) -> Mapping[str, int]:
        ticks.append(history[-1])
        return {SCALED.name: len(ticks) % 2}

    faults = Faults(20.0, 0.05, 0.10, 0.5, (HOUR, 2 * HOUR))
    outcome = simulate(Trace("quiet", (), 20 * HOUR), replace(CALM, faults=faults), watch, 0)
    assert 1040 <= len(ticks) <= 1120  # of 1140 outside the outage
    assert not any(HOUR <= one.at < 2 * HOUR for one in ticks)
    assert 80 <= sum(one.queue_length is None for one in ticks) <= 140
    assert 300 <= outcome.churn <= 700  # each tick wants a change, and half of them go through


def test_the_startup_times_are_those_that_salad_measured() -> None:
    startup = Scenario().startup
    assert [quantile(startup, share) for share in (0, 0.5, 0.8, 0.9, 1)] == [180, 600, 1200, 2400, 4800]
    assert quantile(startup, 0.25) == 390


@pytest.mark.parametrize(
    ("rule", "queue", "jobs", "now", "want"),
    [
        ("native, pending only", 0, 7, 5, 0),  # forgets what runs
        ("native, pending only", 4, 7, 5, 4),
        ("native, counts running", 0, 7, 5, 7),
        ("native, counts running", 90, 7, 5, 19),
        ("KEDA/HPA ratio", 6, 5, 2, 10),
        ("KEDA/HPA ratio", 0, 11, 10, None),  # 10 wanted: within the tolerance
        ("queue delay (RunPod-like)", 4, 3, 2, 6),
        ("windowed, step 1", 9, 3, 2, 3),  # a mean of 9 over 3 running is more than 2
        ("windowed, step 3", 9, 3, 2, 5),
        ("windowed, step 3", 0, 3, 2, 0),
        ("drain balanced", 4, 3, 2, 5),
    ],
)
def test_a_rule_asks_for_what_its_table_says(rule: str, queue: int, jobs: int, now: int, want: int | None) -> None:
    assert policies.RULES[rule](60.0, [seen(60.0, queue, jobs, now)], CONFIG).get(SCALED.name) == want


@pytest.mark.parametrize("rule", policies.RULES)
def test_no_rule_changes_anything_on_a_failed_read(rule: str) -> None:
    history = [seen(0.0, 3, 2, 4), Snapshot(60.0, None, 2, None)]
    assert policies.RULES[rule](60.0, history, CONFIG) == {}


@pytest.mark.parametrize("rule", policies.RULES)
def test_a_queue_length_that_counts_running_jobs_is_understood_when_the_config_says_so(rule: str) -> None:
    told = replace(CONFIG, queue_includes_running=True)
    assert policies.RULES[rule](60.0, [seen(60.0, 9, 4, 2)], told).get(SCALED.name) == (
        policies.RULES[rule](60.0, [seen(60.0, 5, 4, 2)], CONFIG).get(SCALED.name)
        if "windowed" not in rule
        else policies.RULES[rule](60.0, [seen(60.0, 9, 4, 2)], CONFIG).get(SCALED.name)
    )


def test_the_candidate_keeps_what_a_quarter_hour_of_load_needs() -> None:
    steady = [seen(60.0 * minute, 0, 6, 7) for minute in range(16)]
    busy, calm = [*steady, seen(960.0, 0, 0, 7)], [seen(60.0 * minute, 0, 0, 7) for minute in range(16)]
    assert drain_on_load(960.0, busy, CONFIG)[SCALED.name] == 5  # 6 ran, 15 of 16 minutes, a tenth more, one always on
    assert drain_on_load(900.0, calm, CONFIG)[SCALED.name] == 0
    growing = [seen(60.0 * minute, 4 * minute, 1, 0) for minute in range(16)]
    assert drain_on_load(900.0, growing, CONFIG)[SCALED.name] == 19


def test_a_lone_group_whose_nodes_come_late_is_waited_for_and_not_cut_down() -> None:
    late = replace(
        CALM, startup=((0, 2400), (1, 2400))
    )  # twice the stuck rule's 20 minutes, and no group to hand on to
    outcome = simulate(make_trace("batch450", 1), late, DRAIN, 1, samples=True)
    waiting = [one for one in outcome.samples if one.pending > 100]
    assert max(one.at for one in waiting) - min(one.at for one in waiting) > 2400
    assert {one.replicas for one in waiting} == {19}


def test_the_clairvoyant_requests_replicas_before_the_jobs_arrive() -> None:
    trace = Trace("batch", (1000.0,) * 8, 2 * HOUR)
    rule = Foresight(trace, Plan(900, 1.0, 1.0))
    assert rule(0.0, [seen(0.0, 0, 0, 0)], CONFIG)[SCALED.name] == 0
    assert rule(300.0, [seen(300.0, 0, 0, 0)], CONFIG)[SCALED.name] == 5  # 8 of 45 s within a minute, one always on


def test_a_rule_of_ones_own_is_loaded_by_its_name() -> None:
    rule = policies.load(f"{policies.__name__}:keda")
    assert rule is policies.keda


@pytest.mark.parametrize("place", ["keda", ":keda", "bench.scaling.policies:", ""])
def test_a_place_that_names_no_function_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="module:function"):
        policies.load(place)


def test_a_real_day_is_rebuilt_from_its_snapshots(tmp_path: Path) -> None:
    path = tmp_path / "day.json"
    records = [
        {"at": 1000, "queue_length": 1, "running_jobs": 1, "groups": None},
        {"at": 1060, "queue_length": None, "running_jobs": None, "groups": None},
        {"at": 1090, "queue_length": 5, "running_jobs": 1, "groups": None},
    ]
    path.write_text(json.dumps(records))
    replayed = read_replay(path, warm_sec=45.0)
    assert replayed.arrivals[:2] == (0.0, 0.0)  # what was there already
    assert len(replayed.arrivals) == 2 + 4 + 2  # four more waiting, two worked off in 90 s
    records[0]["submitted_total"], records[2]["submitted_total"] = 70, 73
    path.write_text(json.dumps(records))
    assert len(read_replay(path, warm_sec=45.0).arrivals) == 2 + 3


@pytest.mark.parametrize("text", ["[]", "{}", '[{"queue_length": 3}]', "[1, 2]"])
def test_a_file_that_holds_no_day_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "day.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="snapshot"):
        read_replay(path, warm_sec=45.0)


def test_the_command_compares_all_rules_and_a_rule_of_ones_own_on_a_recorded_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "monday.json"
    path.write_text(json.dumps([{"at": 60 * n, "queue_length": n % 7, "running_jobs": 1} for n in range(30)]))
    assert main(["--replay", str(path), "--seeds", "1", "--policy", "bench.scaling.policies:keda"]) == 0
    printed = capsys.readouterr().out
    for name in ("clairvoyant", "best fixed fleet", "bench.scaling.policies:keda", "monday", *policies.RULES):
        assert name in printed


def test_the_verdict_fails_when_a_job_was_lost_or_the_first_systems_rule_is_better() -> None:
    good = figures_of(simulate(make_trace("steady40", 1), CALM, DRAIN, 1))
    worse = replace(good, dollars=good.dollars + 1, p95=good.p95 + 1, score=good.score + 1)
    results = {(report.DRAIN, "a"): [good], ("windowed", "a"): [worse], ("native", "a"): [worse]}
    assert report.verdicts(results, ["a"], ["a"])[1]
    lost = {**results, (report.DRAIN, "a"): [replace(good, lost=1)]}
    assert not report.verdicts(lost, ["a"], ["a"])[1]
    beaten = {**results, ("native", "a"): [replace(good, score=good.score / 2)]}
    assert not report.verdicts(beaten, ["a"], ["a"])[1]
    swapped = {**results, ("windowed", "a"): [good], (report.DRAIN, "a"): [worse]}
    assert not report.verdicts(swapped, ["a", "a"], ["a", "a"])[1]


def test_a_mean_row_sums_the_lost_jobs() -> None:
    one = figures_of(simulate(Trace("quiet", (), HOUR), CALM, DRAIN, 1))
    assert mean([replace(one, lost=1, p95=2.0), replace(one, lost=2, p95=4.0)]).lost == 3
    assert mean([replace(one, lost=1, p95=2.0), replace(one, lost=2, p95=4.0)]).p95 == 3.0
    with pytest.raises(ValueError, match="run"):
        mean([])
