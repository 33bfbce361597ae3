"""Shows that the scheduler keeps calling the tick, one call at a time, whatever a tick answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

import pytest

from infra.local.stack.scheduler import Scheduler
from tests.support.events import events


@contextmanager
def fake_scale_tick(statuses: list[int]) -> Iterator[tuple[str, "Queue[tuple[str, int]]"]]:
    """Answers with the statuses one after the other (the last for ever); the queue gets (path, calls under way)."""
    calls: Queue[tuple[str, int]] = Queue()
    under_way = [0]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            under_way[0] += 1
            calls.put((self.path, under_way[0]))
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("Content-Length", "0")
            under_way[0] -= 1
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keeps the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", calls
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_ticks_go_on_after_failures_and_each_failure_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    with fake_scale_tick([500, 503, 200]) as (origin, calls):
        scheduler = Scheduler(origin, 0.02)
        scheduler.start()
        seen = [calls.get(timeout=10) for _ in range(5)]
        scheduler.stop()
    assert seen == [("/tick", 1)] * 5
    assert [event["status"] for event in events(capsys.readouterr().err, "tick_failed")][:2] == [500, 503]


def test_after_stop_no_tick_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    with fake_scale_tick([200]) as (origin, calls):
        scheduler = Scheduler(origin, 3600)
        scheduler.start()
        assert calls.get(timeout=10)[0] == "/tick"
        scheduler.stop()
        scheduler.join(10)
        assert calls.empty()
    assert events(capsys.readouterr().err, "tick_failed") == []
