"""The decisions about the node: deletion cost, cure of the queue worker, hopeless nodes, full disks."""

import errno
import functools
import io
import shutil
from collections import namedtuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.adapters.event_log import EventLog
from gpu_worker.adapters.imds import ImdsFault
from gpu_worker.adapters.media_tools import ToolFailure
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.node import disk
from gpu_worker.node.deletion_cost import DeletionCost, cost_of
from gpu_worker.node.queue_watch import SEEN_SEC, UNSEEN_SEC, Curing, Observation, Watching, WatchState, outcome, step
from gpu_worker.node.reallocation import DISK_TOO_SMALL, GPU_BROKEN, GPU_WINDOW_SEC, Record, RunEnd, judge
from tests.support.waiting import eventually

IDLE = 900.0


def seen(now: float, last_job: float = 0.0, is_able: bool = True, told_ready: bool | None = True) -> Observation:
    return Observation(now, last_job, is_able, told_ready)


@pytest.mark.parametrize(
    ("is_busy", "progress", "cost"), [(False, 0.9, 0), (True, 0.0, 100), (True, 0.3, 130), (True, 1.0, 200)]
)
def test_a_busy_instance_costs_more_the_nearer_its_job_is_to_the_end(is_busy: bool, progress: float, cost: int) -> None:
    assert cost_of(is_busy, progress) == cost


@given(st.floats(-1, 2), st.floats(-1, 2))
def test_the_cost_is_monotone_and_within_salads_limits(one: Any, other: Any) -> None:
    low, high = sorted((one, other))
    assert 0 < cost_of(True, low) <= cost_of(True, high) <= 100_000


def test_costs_are_set_in_order_once_each_and_again_after_a_fault() -> None:
    told: list[int] = []
    faults, cost = [ImdsFault("away")], [0]

    def send(value: int) -> None:
        if faults and value == 100:
            raise faults.pop()
        told.append(value)

    def arrived(value: int) -> bool:
        return faults == [] if value == 100 else told[-1] == value

    teller = DeletionCost(send, lambda: cost[0], EventLog(io.StringIO(), lambda: datetime.now(UTC)))
    teller.start()
    eventually(lambda: told == [0])
    for value in (100, 100, 150, 0):
        cost[0] = value
        teller.refresh()
        eventually(functools.partial(arrived, value))
    teller.stop()
    assert told in ([0, 150, 0], [0, 100, 150, 0])


def test_an_idle_worker_restarts_its_queue_worker_and_waits_until_it_has_noticed() -> None:
    state = step(Watching(0.0), seen(IDLE - 1), IDLE)
    assert state == Watching(0.0)
    state = step(state, seen(IDLE), IDLE)
    assert state == Curing(IDLE)
    state = step(state, seen(IDLE + 5, told_ready=True), IDLE)
    assert state == Curing(IDLE), "the service still says ready"
    state = step(state, seen(IDLE + 9, told_ready=False), IDLE)
    assert state == Curing(IDLE, IDLE + 9)
    assert step(state, seen(IDLE + 9 + SEEN_SEC - 1), IDLE) == state
    end = IDLE + 9 + SEEN_SEC
    assert outcome(state, seen(end)) == "seen"
    assert step(state, seen(end), IDLE) == Watching(end)


def test_a_cure_that_the_metadata_service_never_confirms_ends_too() -> None:
    assert step(Curing(0.0), seen(UNSEEN_SEC - 1, told_ready=None), IDLE) == Curing(0.0)
    assert step(Curing(0.0), seen(UNSEEN_SEC, told_ready=None), IDLE) == Watching(UNSEEN_SEC)
    assert outcome(Curing(0.0), seen(UNSEEN_SEC)) == "unseen"


def test_a_job_ends_a_cure_and_postpones_the_next_one() -> None:
    state = step(Curing(1000.0), seen(1003.0, last_job=1003.0), IDLE)
    assert state == Watching(1003.0)
    assert step(state, seen(1003.0 + IDLE - 1, last_job=1003.0), IDLE) == state


@given(st.lists(st.tuples(st.floats(0.1, 400), st.booleans(), st.booleans(), st.none() | st.booleans()), max_size=60))
def test_no_order_of_observations_cures_while_a_job_is_there_or_for_ever(
    observations: list[tuple[float, bool, bool, bool | None]],
) -> None:
    state: WatchState = Watching(0.0)
    now = last_job = 0.0
    for gap, has_job, is_able, told in observations:
        now += gap
        last_job = now if has_job else last_job
        before = state
        state = step(state, seen(now, last_job, is_able, told), IDLE)
        if has_job or not is_able:
            assert isinstance(state, Watching)
        if (
            isinstance(before, Curing)
            and now - before.began >= UNSEEN_SEC
            and before.seen is None
            and told is not False
        ):
            assert isinstance(state, Watching)
        if isinstance(before, Watching) and isinstance(state, Curing):
            assert now - max(before.since, last_job) >= IDLE


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        ([("a", RunEnd.GPU_FAULT, 0), ("b", RunEnd.GPU_FAULT, 100)], GPU_BROKEN),
        ([("a", RunEnd.GPU_FAULT, 0), ("a", RunEnd.GPU_FAULT, 100)], None),
        ([("a", RunEnd.GPU_FAULT, 0), ("b", RunEnd.GPU_FAULT, GPU_WINDOW_SEC + 1)], None),
        ([("a", RunEnd.GPU_FAULT, 0), ("c", RunEnd.VIDEO, 50), ("b", RunEnd.GPU_FAULT, 100)], None),
        ([("a", RunEnd.GPU_FAULT, 0), ("c", RunEnd.NOTHING, 50), ("b", RunEnd.GPU_FAULT, 100)], GPU_BROKEN),
        ([("a", RunEnd.DISK_FULL, 0), ("b", RunEnd.DISK_FULL, 9000)], DISK_TOO_SMALL),
        ([("a", RunEnd.DISK_FULL, 0), ("a", RunEnd.DISK_FULL, 10)], None),
        ([("a", RunEnd.DISK_FULL, 0), ("b", RunEnd.GPU_FAULT, 10)], None),
        ([(str(number), RunEnd.NOTHING, number) for number in range(50)], None),
    ],
)
def test_one_bad_or_slow_job_never_gives_up_a_node(ends: list[tuple[str, RunEnd, float]], reason: str | None) -> None:
    record, said = Record(), None
    for job_id, end, at in ends:
        record, said = judge(record, job_id, end, float(at))
    assert said == reason


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        ToolFailure("ffmpeg", 1, "av_interleaved_write_frame(): No space left on device"),
        JobError(ErrorCode.MEDIA_CORRUPT, "m", detail="x: No space left on device"),
    ],
)
def test_a_full_disk_is_recognised_by_its_message(error: Exception, tmp_path: Path) -> None:
    failure = disk.explain(error, tmp_path)
    assert failure is not None
    assert (failure.code, failure.retryable, failure.message) == ("internal", True, "The GPU node's disk is full.")


def test_a_full_disk_is_recognised_as_the_cause_of_another_error(tmp_path: Path) -> None:
    error = JobError(ErrorCode.MEDIA_CORRUPT, "m")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert disk.explain(error, tmp_path) is not None


@pytest.mark.parametrize(
    ("code", "is_full"), [("media_corrupt", True), ("output_verification_failed", True), ("audio_silent", False)]
)
def test_a_disk_without_room_explains_what_a_cut_file_looks_like(
    code: ErrorCode, is_full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = JobError(ErrorCode(code), "m")
    assert disk.explain(error, tmp_path) is None
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100, 100, 0))
    assert (disk.explain(error, tmp_path) is not None) == is_full
