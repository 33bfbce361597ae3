"""The circuit breaker: a silent system costs one time-out, an answering one is never kept waiting."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from avatar_jobs.domain.errors import NotAskedError, ProviderError
from avatar_jobs.ports.outside import CallbackAnswer
from avatar_jobs.services.breaker import QUICK_FAULTS, Breaker
from avatar_jobs.services.guarded import GuardedSender, host_of
from tests.support.factories import NOW

SILENCE = ProviderError("no answer", status=None, retryable=True, may_have_happened=True)


class Line:
    """A breaker with one system behind it and a clock that calls move."""

    def __init__(self) -> None:
        self.now = NOW
        self.asked = 0
        self.logged: list[str] = []
        self.breaker = Breaker(lambda: self.now, lambda event, **_: self.logged.append(event), timedelta(seconds=60))

    def call(self, outcome: Any, takes_sec: float = 0, system: str = "a") -> Any:
        """One call that takes some seconds, and then returns or raises."""

        def work() -> Any:
            self.asked += 1
            self.now += timedelta(seconds=takes_sec)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return self.breaker.call(system, 10, work)


@pytest.fixture
def line() -> Line:
    """A fresh one."""
    return Line()


def fails(call: Callable[[], Any]) -> type[Exception]:
    """The type of the error that a call raises."""
    with pytest.raises(ProviderError) as caught:
        call()
    return caught.type


def test_after_one_time_out_nothing_is_asked_until_the_pause_is_over(line: Line) -> None:
    assert line.call("fine") == "fine"
    assert fails(lambda: line.call(SILENCE, takes_sec=10)) is ProviderError
    assert [fails(lambda: line.call("fine")) for _ in range(5)] == [NotAskedError] * 5
    assert line.asked == 2
    assert line.call("fine", system="b") == "fine", "other systems go on"
    line.now += timedelta(seconds=60)
    assert line.call("fine") == "fine"


def test_a_tick_begins_with_closed_breakers(line: Line) -> None:
    fails(lambda: line.call(SILENCE, takes_sec=10))
    line.breaker.begin(line.now + timedelta(seconds=54))
    assert line.call("fine") == "fine"


def test_a_cut_connection_now_and_then_stops_nothing_but_several_in_a_row_do(line: Line) -> None:
    for _ in range(10):
        assert fails(lambda: line.call(SILENCE)) is ProviderError
        assert line.call("fine") == "fine"
    assert [fails(lambda: line.call(SILENCE)) for _ in range(QUICK_FAULTS + 1)][-2:] == [ProviderError, NotAskedError]


def test_a_refusal_is_an_answer(line: Line) -> None:
    refusal = ProviderError("503", status=503, retryable=True, may_have_happened=True)
    for _ in range(10):
        assert fails(lambda: line.call(refusal, takes_sec=5)) is ProviderError
    assert line.asked == 10


def test_many_threads_that_meet_a_silent_system_make_one_call() -> None:
    line = Line()
    gate, waiting = threading.Event(), threading.Semaphore(0)

    def silent() -> None:
        line.asked += 1
        gate.wait(30)
        line.now += timedelta(seconds=10)
        raise SILENCE

    def ask(_: int) -> type[Exception]:
        waiting.release()
        return fails(lambda: line.breaker.call("a", 10, silent))

    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(ask, range(8))
        for _ in range(8):
            assert waiting.acquire(timeout=30)
        gate.set()
        assert sorted(answers, key=str) == sorted([ProviderError] + [NotAskedError] * 7, key=str)
    assert line.asked == 1


def test_no_call_begins_that_could_end_after_the_lease(line: Line) -> None:
    line.breaker.begin(NOW + timedelta(seconds=54))
    line.now = NOW + timedelta(seconds=44)
    assert line.breaker.may_call("a", 10)
    assert line.call("fine") == "fine"
    line.now += timedelta(seconds=1)
    assert not line.breaker.may_call("a", 10)
    assert fails(lambda: line.call("fine")) is NotAskedError
    assert line.asked == 1


def test_an_exception_that_nobody_translated_is_logged_and_translated(line: Line) -> None:
    with pytest.raises(ProviderError) as caught:
        line.call(KeyError("a secret"))
    assert (caught.value.status, caught.value.may_have_happened) == (None, True)
    assert "a secret" not in str(caught.value)
    assert line.logged == ["outside_call_broke"]


class Receivers:
    """A CallbackSender whose hosts give no answer after some seconds."""

    def __init__(self, line: Line, takes_sec: float) -> None:
        self.line, self.takes_sec = line, takes_sec
        self.called: list[str] = []

    def send(self, url: str, headers: Any, body: bytes, timeout_sec: float) -> CallbackAnswer:
        """No answer."""
        self.called.append(url)
        self.line.now += timedelta(seconds=self.takes_sec)
        return CallbackAnswer(None)


def test_a_silent_receiver_is_called_once_and_others_go_on(line: Line) -> None:
    receivers = Receivers(line, 15)
    sender = GuardedSender(receivers, line.breaker)
    assert sender.send("https://a.example/1", {}, b"", 15) == CallbackAnswer(None)
    with pytest.raises(NotAskedError):
        sender.send("https://a.example/2", {}, b"", 15)
    assert sender.send("https://b.example/1", {}, b"", 15) == CallbackAnswer(None)
    assert receivers.called == ["https://a.example/1", "https://b.example/1"]


def test_a_receiver_that_refuses_at_once_is_called_for_each_job(line: Line) -> None:
    receivers = Receivers(line, 0)
    sender = GuardedSender(receivers, line.breaker)
    for number in range(10):
        sender.send(f"https://a.example/{number}", {}, b"", 15)
    assert len(receivers.called) == 10


@pytest.mark.parametrize("url", ["https://[::1", "https://a.example:99999999/", ""])
def test_a_url_that_cannot_be_read_has_a_host_too(url: str) -> None:
    assert isinstance(host_of(url), str)
