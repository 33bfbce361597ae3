"""Every adapter that calls another system, against peers that drip, stall, cut and babble: it ends in time."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.api_core import exceptions as google_errors
from google.auth import exceptions as auth_errors

from avatar_jobs.adapters import b2_outputs, cloud_scheduler
from avatar_jobs.adapters.b2_outputs import B2Outputs
from avatar_jobs.adapters.b2_upload_keys import B2UploadKeys
from avatar_jobs.adapters.callback_sender import GuardedCallbackSender
from avatar_jobs.adapters.cloud_scheduler import CloudScheduler
from avatar_jobs.adapters.firestore_store.connection import FirestoreConnection, unavailable
from avatar_jobs.adapters.guarded_http import guarded_pool
from avatar_jobs.adapters.salad_client import SaladClient
from avatar_jobs.domain.errors import ProviderError, StorageUnavailableError
from avatar_jobs.outside.http_client import HEAD_BYTES, HttpAnswer, NoAnswerError, exchange, system_dial, timed_pool
from tests.support.raw_server import HEAD, Play, RawServer, drips, raw_server, says, stalls
from tests.support.waiting import eventually, within

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT_SEC = 0.5  # of a call; each test asks for its end within four times as much
BODY = b'{"a": 1}'
WHOLE = HEAD + b"Content-Length: 8\r\n\r\n" + BODY

ENDLESS: dict[str, Play] = {
    "stalls": stalls(),
    "stalls in the head": stalls(HEAD),
    "stalls in the body": stalls(HEAD + b"Content-Length: 8\r\n\r\n{"),
    "drips the status": drips(b"", b"H"),
    "drips a header": drips(HEAD + b"X: ", b"x"),
    "drips headers": drips(HEAD, b"X: x\r\n"),
    "drips interim answers": drips(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
    "drips the body": drips(HEAD + b"Content-Length: 9999\r\n\r\n", b" "),
    "drips chunks": drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "drips a body without a length": drips(HEAD + b"Connection: close\r\n\r\n", b" "),
}
BROKEN: dict[str, Play] = {
    "says nothing": says(),
    "cuts in the status": says(b"HTTP/1."),
    "cuts in the head": says(HEAD + b"X-A"),
    "cuts in the body": says(HEAD + b"Content-Length: 99\r\n\r\n" + BODY),
    "cuts in a chunk": says(HEAD + b"Transfer-Encoding: chunked\r\n\r\n20\r\n{}"),
    "babbles": says(b"\x16\x03\x01\x02\x00" * 99 + b"\r\n\r\n"),
    "says another protocol": says(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "has chunks of no size": says(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
    "has a line without an end": says(b"HTTP/1.1 200 " + b"O" * 70_000),
    "has a head without an end": says(HEAD + b"X: x\r\n" * HEAD_BYTES),
    "has a body that is no gzip": says(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 8\r\n\r\n" + BODY),
}
FAULTS = {**ENDLESS, **BROKEN}
IN_THE_BODY = [name for name in FAULTS if "body" in name or "chunk" in name]


@pytest.fixture(params=FAULTS)
def bad(request: pytest.FixtureRequest) -> Iterator[RawServer]:
    """A peer with one fault. After the test no thread of ours still waits for it."""
    with raw_server(FAULTS[request.param]) as server:
        yield server
        eventually(lambda: not calls_under_way(), what="the end of the abandoned threads")


def calls_under_way() -> list[threading.Thread]:
    """The threads that make calls."""
    return [thread for thread in threading.enumerate() if thread.name == "outside-call"]


def get(url: str, *, pool: Any = None, body_limit: int = 100, headers: Any = None) -> HttpAnswer:
    """One exchange with a short patience."""
    return exchange(
        pool or timed_pool(), "GET", url, headers=headers or {}, body=None, limit_sec=LIMIT_SEC, body_limit=body_limit
    )


def test_a_peer_with_a_fault_gives_no_answer_and_is_left_in_time(bad: RawServer) -> None:
    with within(4 * LIMIT_SEC), pytest.raises(NoAnswerError) as caught:
        get(bad.url)
    assert caught.value.may_have_sent
    assert bad.connections == 1, "sent once"


@pytest.mark.parametrize("fault", IN_THE_BODY)
def test_who_asks_for_no_body_does_not_wait_for_it(fault: str) -> None:
    with raw_server(FAULTS[fault]) as server, within(LIMIT_SEC):
        assert get(server.url, body_limit=0).status == 200


@pytest.mark.parametrize(
    "play",
    [
        says(WHOLE),
        says(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", WHOLE),
        says(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 x\r\n\r\n" + b"HTTP/1.1 103 x\r\n\r\n" * 9, WHOLE),
        says(HEAD + b"".join(b"X-%d: x\r\n" % number for number in range(120)) + b"Content-Length: 8\r\n\r\n" + BODY),
        says(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n5\r\n\": 1}\r\n0\r\n\r\n"),
        says(HEAD + b"Connection: close\r\n\r\n" + BODY),
    ],
    ids=["plain", "103", "all interim answers", "120 headers", "chunks", "no length"],
)  # fmt: skip
def test_unusual_answers_are_read(play: Play) -> None:
    with raw_server(play) as server:
        answer = get(server.url)
    assert (answer.status, answer.body, answer.is_whole) == (200, BODY, True)
    assert answer.headers["content-type"] == "application/json"


def test_a_body_is_read_up_to_its_limit_and_a_connection_is_kept() -> None:
    with raw_server(says(WHOLE, keep=True)) as server:
        pool = timed_pool()
        answers = [get(server.url, pool=pool, body_limit=limit) for limit in (8, 7, 100)]
        assert [(one.body, one.is_whole) for one in answers] == [(BODY, True), (BODY[:7], False), (BODY, True)]
        assert server.connections == 1


def test_a_kept_connection_whose_peer_stalls_is_left_in_time() -> None:
    pool = timed_pool()
    with raw_server(says(WHOLE, keep=True)) as server:
        get(server.url, pool=pool)
        server.play = drips(HEAD, b"X: x\r\n")
        with within(4 * LIMIT_SEC), pytest.raises(NoAnswerError):
            get(server.url, pool=pool)
        assert server.connections == 1
        eventually(lambda: not calls_under_way())


def test_each_address_is_tried_within_the_time_and_a_dead_one_does_not_use_it_up() -> None:
    tried = []

    def dial(address: str, port: int, timeout: float) -> socket.socket:
        tried.append(address)
        if ":" in address:
            threading.Event().wait(timeout)  # a dead address answers nothing
            raise TimeoutError
        return system_dial(address, port, timeout)

    with raw_server(says(WHOLE)) as server, within(4 * LIMIT_SEC):
        pool = timed_pool(resolver=lambda *_: ["2001:db8::1", "2001:db8::2", "127.0.0.1"], dial=dial)
        assert get(server.url, pool=pool).status == 200
    assert tried == ["2001:db8::1", "2001:db8::2", "127.0.0.1"]


def test_a_name_that_does_not_resolve_in_time_is_left_and_nothing_is_sent_later() -> None:
    resolved = threading.Event()

    def resolver(host: str, port: int) -> Sequence[str]:
        resolved.wait()
        return ["127.0.0.1"]

    with raw_server(says(WHOLE)) as server:
        with within(4 * LIMIT_SEC), pytest.raises(NoAnswerError) as caught:
            get(server.url, pool=timed_pool(resolver=resolver))
        assert not caught.value.may_have_sent
        resolved.set()
        eventually(lambda: not calls_under_way(), what="the end of the abandoned thread")
        assert server.requests == []


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        (f"http://{'a' * 64}.example/", {}),
        ("http://xn--ls8h=.example/", {}),
        ("http://a..b/", {}),
        ("http://[::1/", {}),
        ("http://127.0.0.1:99999/", {}),
        ("http://127.0.0.1:9/", {}),
        ("gopher://127.0.0.1/", {}),
        ("http://127.0.0.1:9/", {"X": "a\nb"}),
        ("http://127.0.0.1:9/", {"X": "\u2028"}),
        ("", {}),
    ],
)
def test_what_cannot_be_sent_was_certainly_not_sent(url: str, headers: dict[str, str]) -> None:
    with within(4 * LIMIT_SEC), pytest.raises(NoAnswerError) as caught:
        get(url, headers=headers)
    assert not caught.value.may_have_sent


def test_a_peer_that_stalls_in_the_tls_handshake_got_nothing() -> None:
    with raw_server(stalls(), reads=False) as server:
        with within(4 * LIMIT_SEC), pytest.raises(NoAnswerError) as caught:
            get(server.url.replace("http", "https"))
        assert not caught.value.may_have_sent
        eventually(lambda: not calls_under_way(), what="the end of the abandoned thread")


def test_salads_answers(bad: RawServer) -> None:
    client = SaladClient(
        base_url=bad.url, api_key="k", organization="o", project="p", queue="q", now=lambda: NOW, timeout_sec=LIMIT_SEC
    )
    with within(4 * LIMIT_SEC), pytest.raises(ProviderError) as caught:
        client.create_queue_job({}, {}, "https://example.com/hook")
    assert (caught.value.status, caught.value.may_have_happened) == (None, True)
    assert len(bad.requests) == 1


def test_a_receivers_answers(bad: RawServer, request: pytest.FixtureRequest) -> None:
    sender = GuardedCallbackSender(
        pool=guarded_pool(rehearsal=True), rehearsal=True, now=lambda: NOW, log=lambda *_, **__: None
    )
    with within(4 * LIMIT_SEC):
        answer = sender.send(bad.url, {}, b"{}", LIMIT_SEC)
    counts = request.node.callspec.params["bad"] in IN_THE_BODY
    assert answer.http_status == (200 if counts else None), "only the status counts"


def test_a_buckets_answers(bad: RawServer, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(b2_outputs, "FIND_SEC", LIMIT_SEC)
    monkeypatch.setattr(b2_outputs, "TIMEOUT_SEC", 2 * LIMIT_SEC)
    bucket = B2Outputs(
        endpoint=bad.url, region="r", key_id="k", app_key="a", bucket="b", download_url="https://x", public=False
    )
    bucket.link("x", NOW)  # botocore is loaded before the clock runs
    is_fault = request.node.callspec.params["bad"] not in IN_THE_BODY  # a HEAD has no body
    with within(4 * LIMIT_SEC), pytest.raises(ProviderError) if is_fault else suppress(ProviderError):
        bucket.find("x")
    bad.stopping.set()


def test_what_b2_answers_about_keys(bad: RawServer) -> None:
    import b2sdk.v3  # noqa: F401  loaded before the clock runs

    keys = B2UploadKeys(
        api_url=bad.url, key_id="k", app_key="a", bucket="b", prefix="p/", mint_sec=LIMIT_SEC, revoke_sec=LIMIT_SEC,
        clock=time.monotonic,
    )  # fmt: skip
    with within(4 * LIMIT_SEC), pytest.raises(ProviderError) as caught:
        keys.mint("j" * 32, 1, NOW + timedelta(hours=1), NOW)
    assert caught.value.retryable


def test_the_schedulers_answers(bad: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    import google.cloud.scheduler_v1  # noqa: F401  loaded before the clock runs

    monkeypatch.setattr(cloud_scheduler, "LIMIT_SEC", LIMIT_SEC)
    with within(4 * LIMIT_SEC), pytest.raises(ProviderError):
        CloudScheduler("projects/p/locations/l/jobs/tick", bad.url).run_tick()
    bad.stopping.set()


@pytest.mark.parametrize(
    "error",
    [
        google_errors.ServiceUnavailable("away"),
        google_errors.RetryError("over", cause=None),
        google_errors.GoogleAPIError("odd"),
        auth_errors.TransportError("no metadata server"),
        auth_errors.RefreshError("refused"),
        auth_errors.DefaultCredentialsError("none"),
        grpc.RpcError(),
        grpc.FutureTimeoutError(),
        TimeoutError(),
        ConnectionResetError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_the_libraries_of_firestore_raise_the_store_is_unavailable(error: Exception) -> None:
    def fail() -> Any:
        raise error

    with pytest.raises(StorageUnavailableError), unavailable():
        fail()
    with pytest.raises(StorageUnavailableError):
        _ = FirestoreConnection(fail).client


@pytest.mark.parametrize(
    ("error", "may_have_written"),
    [
        (google_errors.ServiceUnavailable("cut"), True),
        (google_errors.DeadlineExceeded("late"), True),
        (google_errors.RetryError("over", cause=None), True),
        (ConnectionResetError(), True),
        (google_errors.InvalidArgument("refused"), False),
        (google_errors.PermissionDenied("refused"), False),
        (auth_errors.RefreshError("no token"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_change_whose_answer_is_lost_is_not_called_unwritten(error: Exception, may_have_written: bool) -> None:
    with pytest.raises(StorageUnavailableError) as raised, unavailable(writes=True):
        raise error
    assert raised.value.may_have_written is may_have_written
    with pytest.raises(StorageUnavailableError) as raised, unavailable():
        raise error
    assert raised.value.may_have_written is False
