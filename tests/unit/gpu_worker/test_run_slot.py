"""The run slot: which request runs, joins or waits; a busy slot is never an error."""

import threading
import time
from collections.abc import Callable

from gpu_worker.domain.control import RunControl, StopReason
from gpu_worker.run.run_slot import RunSlot
from gpu_worker.wire import Answer, JobInput
from tests.support.waiting import eventually


def job(job_id: str, attempt: int = 1) -> JobInput:
    """Returns a plain input."""
    return JobInput(job_id, attempt, None, "v", "a", "source", "source", None, "", 60, None, {})


class SlowRuns:
    """Runs that last until they are released or stopped."""

    def __init__(self) -> None:
        self.started: list[tuple[str, int]] = []
        self.release = threading.Event()
        self.run_slot = RunSlot(self.run, lambda given: RunControl(time.monotonic, given.run_timeout_seconds))

    def run(self, given: JobInput, control: RunControl) -> Answer:
        self.started.append((given.job_id, given.attempt))
        while not self.release.wait(0.01):
            if control.stop_reason() is StopReason.INTERRUPTED:
                return Answer(503, {"job_id": given.job_id, "error": {"code": "worker_interrupted"}})
        return Answer(200, {"job_id": given.job_id, "number": len(self.started)})


class Request(threading.Thread):
    """A request in its own thread."""

    def __init__(self, runs: SlowRuns, given: JobInput) -> None:
        super().__init__(daemon=True)
        self.is_gone = threading.Event()
        self.answer: Answer | None = None
        self.is_waiting = threading.Event()  # the slot asks about the caller of a request that waits, and of no other
        self._take: Callable[[], Answer] = lambda: runs.run_slot.take(given, self._is_caller_gone)
        self.start()

    def run(self) -> None:
        self.answer = self._take()

    def _is_caller_gone(self) -> bool:
        self.is_waiting.set()
        return self.is_gone.is_set()

    def result(self) -> Answer:
        self.join(20)
        assert self.answer is not None
        return self.answer


def test_the_same_job_and_attempt_joins_the_run_in_progress() -> None:
    runs = SlowRuns()
    first = Request(runs, job("a"))
    eventually(lambda: runs.started)
    second = Request(runs, job("a"))
    eventually(second.is_waiting.is_set)
    runs.release.set()
    assert first.result() == second.result()
    assert runs.started == [("a", 1)]


def test_another_job_and_another_attempt_wait_for_their_turn() -> None:
    runs = SlowRuns()
    first = Request(runs, job("a"))
    eventually(lambda: runs.started)
    others = [Request(runs, job("a", 2)), Request(runs, job("b"))]
    eventually(lambda: all(other.is_waiting.is_set() for other in others))
    runs.release.set()
    assert [request.result().http_status for request in (first, *others)] == [200, 200, 200]
    assert runs.started[0] == ("a", 1)
    assert sorted(runs.started[1:]) == [("a", 2), ("b", 1)]


def test_a_waiting_caller_that_disconnects_loses_its_turn() -> None:
    runs = SlowRuns()
    first = Request(runs, job("a"))
    eventually(lambda: runs.started)
    second = Request(runs, job("b"))
    second.is_gone.set()
    assert second.result().http_status == 503
    runs.release.set()
    assert first.result().http_status == 200
    assert runs.started == [("a", 1)]


def test_a_closed_slot_begins_nothing_and_an_interrupt_ends_what_runs() -> None:
    runs = SlowRuns()
    first = Request(runs, job("a"))
    eventually(lambda: runs.started)
    waiting = Request(runs, job("b"))
    runs.run_slot.close("The GPU node is being stopped.")
    runs.run_slot.interrupt()
    assert first.result().http_status == 503
    assert waiting.result().body["error"]["code"] == "worker_interrupted"
    assert runs.run_slot.take(job("c"), lambda: False).http_status == 503
    assert runs.started == [("a", 1)]


def test_a_closed_slot_lets_the_run_in_progress_end_and_others_join_it() -> None:
    runs = SlowRuns()
    first = Request(runs, job("a"))
    eventually(lambda: runs.started)
    runs.run_slot.close("closed")
    joined = Request(runs, job("a"))
    eventually(joined.is_waiting.is_set)
    assert runs.run_slot.wait_until_idle(0.05) is False
    runs.release.set()
    assert first.result() == joined.result()
    assert runs.run_slot.wait_until_idle(5) is True


def test_a_slot_that_is_not_open_yet_lets_jobs_wait() -> None:
    runs = SlowRuns()
    runs.run_slot = RunSlot(runs.run, lambda given: RunControl(time.monotonic, 60), is_open=False)
    early = Request(runs, job("a"))
    runs.release.set()
    early.join(0.2)
    assert (early.is_alive(), runs.started) == (True, [])
    runs.run_slot.open()
    assert early.result().http_status == 200


def test_a_job_on_a_node_that_was_given_up_waits_before_its_503() -> None:
    runs = SlowRuns()
    runs.run_slot.close("The node is being replaced.", hold_sec=0.5)
    began = time.monotonic()
    assert runs.run_slot.take(job("a"), lambda: False).http_status == 503
    assert time.monotonic() - began >= 0.5


def test_a_run_that_raises_frees_the_slot() -> None:
    def broken(_job: JobInput, _control: RunControl) -> Answer:
        raise RuntimeError("bug")

    run_slot = RunSlot(broken, lambda given: RunControl(time.monotonic, 60))
    for _ in range(2):
        try:
            run_slot.take(job("a"), lambda: False)
        except RuntimeError:
            continue
        raise AssertionError("the bug was swallowed")
