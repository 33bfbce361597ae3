"""The overhead benchmark: its load reaches the fake Salad once a request, limits hold, targets can be missed."""

from pathlib import Path

import pytest

from bench import serving
from bench.api_overhead import CLIENTS, Server, Shape, Side, report
from bench.fake_salad import _take_request
from bench.load import LoadError, Sent, post_all, require

SHAPE = Shape(rounds=1, alone=40, together=64, clients=8, threads=8)


def side(name: str, p50_ms: float, requests_per_sec: float) -> Side:
    return Side(Server(name, Path(), 1, {}, Path()), [p50_ms], [1.0], [requests_per_sec], [1.0])


@pytest.mark.parametrize(
    ("p50_ms", "requests_per_sec", "met"), [(1.3, 80.0, True), (1.31, 80.0, False), (1.3, 79.0, False)]
)
def test_both_targets_must_be_met(p50_ms: float, requests_per_sec: float, met: bool) -> None:
    text, found = report("sqlite", SHAPE, side("submit_job", p50_ms, requests_per_sec), side("bare", 1.0, 100.0))
    assert found is met
    assert ("MISSED" in text) is not met


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        (SHAPE, None),
        (Shape(1, 40, 71, 8, 8), "more than an instance may send"),
        (Shape(30, 40, 64, 8, 8), "more than may be open"),
        (Shape(1, 0, 64, 8, 8), "at least 1"),
    ],
)
def test_a_request_that_the_api_would_refuse_is_not_measured(shape: Shape, problem: str | None) -> None:
    found = shape.problem()
    assert found is None if problem is None else problem in str(found)


def test_each_request_reaches_the_fake_salad_once(tmp_path: Path) -> None:
    plan = serving.plan_for("sqlite", CLIENTS, tmp_path)
    with serving.fake_salad(plan.ports.salad, tmp_path) as origin:
        load = post_all(f"{origin}/jobs", [Sent(b'{"n": 1}', {})] * 20, clients=4)
        require(load, 201, "fake Salad")
        assert serving.posted_jobs(origin) == 20
        assert len({answer.body for answer in load.answers}) == 20
        with pytest.raises(LoadError, match="20 of 20 answers are not 202"):
            require(load, 202, "fake Salad")


def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    port = serving.plan_for("sqlite", CLIENTS, tmp_path).ports.salad
    with pytest.raises(LoadError, match="no answer"):
        post_all(f"http://127.0.0.1:{port}/jobs", [Sent(b"{}", {})], clients=1)


def test_the_fake_salad_takes_requests_that_arrive_in_pieces_and_together() -> None:
    request = b"POST /jobs HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}"
    received = bytearray(request[:-1])
    assert _take_request(received) is None
    received += request[-1:] + request
    assert _take_request(received) == request
    assert _take_request(received) == request
    assert _take_request(received) is None
