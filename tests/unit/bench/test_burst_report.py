"""The burst's verdict: one refused, lost, doubled or unknown job, or one slow answer, makes it fail."""

from dataclasses import replace

import pytest

from bench.burst import Outcome, report
from bench.load import Answered, Load

ALL_WELL = Outcome(
    load=Load([Answered(202, b"", 0.1), Answered(202, b"", 0.2)], 0.2),
    accepted=["a", "b"],
    at_salad=["b", "a"],
    phases={"dispatched": 2},
    sent_at_once=1,
    dispatch_sec=1.0,
    calls={"create_queue_job": 2},
)


def test_a_burst_passes_when_salad_has_each_job_once() -> None:
    text, met = report(ALL_WELL, 2)
    assert met
    assert "MISSED" not in text


@pytest.mark.parametrize(
    "worse",
    [
        replace(ALL_WELL, at_salad=["a"]),
        replace(ALL_WELL, at_salad=["a", "b", "b"]),
        replace(ALL_WELL, at_salad=["a", "b", "c"]),
        replace(ALL_WELL, accepted=["a", "a"]),
        replace(ALL_WELL, phases={"dispatched": 1, "accepted": 1}),
        replace(ALL_WELL, load=Load([Answered(202, b"", 0.1), Answered(503, b"", 0.1)], 0.2)),
        replace(ALL_WELL, load=Load([Answered(202, b"", 0.1), Answered(202, b"", 8.1)], 0.2)),
    ],
    ids=["lost", "doubled", "foreign", "one id twice", "not shown as dispatched", "refused", "slow"],
)
def test_each_missed_target_fails_the_burst(worse: Outcome) -> None:
    text, met = report(worse, 2)
    assert not met
    assert "MISSED" in text
