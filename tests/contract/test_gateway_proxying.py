"""Shows that the gateway changes nothing on the way to a function and back, byte for byte over real sockets."""

import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024


class FakeFunction(BaseHTTPRequestHandler):
    """Answers with what it got, as JSON: the raw target, the header lines in order, the body's length."""

    protocol_version = "HTTP/1.1"
    name = ""

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        got = {
            "function": self.name,
            "method": self.command,
            "target": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "length": len(body),
            "body": body[:64].decode("latin-1"),
        }
        encoded = json.dumps(got).encode()
        self.send_response(207)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.send_header("Keep-Alive", "timeout=5")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(encoded)

    do_GET = do_POST = do_HEAD = do_OPTIONS = do_DELETE = answer  # noqa: N815  http.server's names

    def log_message(self, *_: object) -> None:
        """Keeps the test's output clean."""


@contextmanager
def fake_function(name: str) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type(name, (FakeFunction,), {"name": name}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running_gateway(**settings: str) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.local.gateway"],
        cwd=ROOT,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["port"]
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


@pytest.fixture(scope="module")
def gateway() -> Iterator[int]:
    with fake_function("submit_job") as submit, fake_function("job_status") as status:  # noqa: SIM117
        with fake_function("salad_webhook") as webhook:
            with running_gateway(SUBMIT_JOB_URL=submit, JOB_STATUS_URL=status, SALAD_WEBHOOK_URL=webhook) as port:
                yield port


def ask(port: int, method: str, target: str, body: bytes | None = None, **headers: str) -> tuple[Any, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, target, body=body, headers=headers)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("target", "function"),
    [("/v1/avatar/jobs", "submit_job"), ("/v1/avatar/jobs/1", "job_status"), ("/v1/worker/x", "salad_webhook")],
)
def test_each_path_reaches_its_function(gateway: int, target: str, function: str) -> None:
    assert json.loads(ask(gateway, "GET", target)[1])["function"] == function


@pytest.mark.parametrize(
    "target",
    ["/v1/avatar/jobs/a%2Fb%20c?x=%7e&y=a+b&y=&z", "/v1/avatar/jobs/caf%C3%A9", "/a//b/../c", "/v1/avatar/jobs?"],
)
def test_path_and_query_arrive_as_they_were_sent(gateway: int, target: str) -> None:
    assert json.loads(ask(gateway, "GET", target)[1])["target"] == target.removesuffix("?")


def test_doubled_headers_stay_two_and_hop_by_hop_ones_end_here(gateway: int) -> None:
    with socket.create_connection(("127.0.0.1", gateway), timeout=5) as raw:
        raw.sendall(
            b"GET /v1/avatar/jobs/1 HTTP/1.1\r\nHost: api.example\r\n"
            b"X-Internal-API-Key: one\r\nX-Internal-API-Key: two\r\n"
            b"Connection: close, X-Hop\r\nX-Hop: 1\r\n\r\n"
        )
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    headers = json.loads(answer.partition(b"\r\n\r\n")[2])["headers"]
    assert [value for name, value in headers if name == "x-internal-api-key"] == ["one", "two"]
    assert ["host", "api.example"] in headers
    assert "x-hop" not in [name for name, _ in headers]


def test_the_answer_comes_back_whole(gateway: int) -> None:
    response, _ = ask(gateway, "POST", "/v1/avatar/jobs", b"{}")
    assert response.status == 207
    assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert "Keep-Alive" not in response.headers


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE"])
def test_other_methods_pass(gateway: int, method: str) -> None:
    response, body = ask(gateway, method, "/v1/avatar/jobs/1")
    assert response.status == 207
    if method == "HEAD":
        assert (body, int(response.headers["Content-Length"]) > 0) == (b"", True)
    else:
        assert json.loads(body)["method"] == method


def test_a_body_passes_whole_up_to_the_limit(gateway: int) -> None:
    got = json.loads(ask(gateway, "POST", "/v1/avatar/jobs", b"x" * (32 * MIB))[1])
    assert got["length"] == 32 * MIB
    assert ["content-length", str(32 * MIB)] in got["headers"]


def test_a_chunked_body_is_counted_and_passed_with_its_length(gateway: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway, timeout=20)
    try:
        connection.request(
            "POST",
            "/v1/avatar/jobs",
            body=iter([b"ab", b"cd"]),
            encode_chunked=True,
            headers={"Transfer-Encoding": "chunked"},
        )
        got = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    assert (got["body"], got["length"]) == ("abcd", 4)


def test_a_larger_body_is_refused_before_it_is_read(gateway: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway, timeout=5)
    try:
        connection.putrequest("POST", "/v1/avatar/jobs")
        connection.putheader("Content-Length", str(32 * MIB + 1))
        connection.putheader("X-Request-Id", "r-1")
        connection.endheaders()
        response = connection.getresponse()
        problem = json.loads(response.read())
    finally:
        connection.close()
    assert response.status == 413
    assert (problem["code"], problem["status"], problem["request_id"]) == ("payload_too_large", 413, "r-1")


def test_a_function_that_is_not_there_is_a_502(gateway: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
        with running_gateway(SUBMIT_JOB_URL=nobody, JOB_STATUS_URL=nobody, SALAD_WEBHOOK_URL=nobody) as port:
            response, body = ask(port, "GET", "/v1/avatar/jobs/1")
    assert (response.status, response.headers["Content-Type"]) == (502, "application/problem+json")
    assert (json.loads(body)["code"], response.headers["Retry-After"]) == ("upstream_unavailable", "1")


def test_the_instances_of_a_function_take_turns_and_one_that_is_gone_gets_nothing() -> None:
    with fake_function("one") as one, fake_function("two") as two, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{free.getsockname()[1]}"
        urls = {f"{name}_URL": f"{one},{gone},{two}" for name in ("SUBMIT_JOB", "JOB_STATUS", "SALAD_WEBHOOK")}
        with running_gateway(**urls) as port:
            asked = [json.loads(ask(port, "GET", "/v1/avatar/jobs/1")[1])["function"] for _ in range(6)]
    assert set(asked) == {"one", "two"}


def test_a_request_waits_for_an_instance_that_starts_as_for_a_cold_start() -> None:
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        urls = {f"{name}_URL": url for name in ("SUBMIT_JOB", "JOB_STATUS", "SALAD_WEBHOOK")}
        with running_gateway(**urls, UPSTREAM_START_SEC="20") as port, ThreadPoolExecutor(1) as thread:
            asked = thread.submit(ask, port, "GET", "/v1/avatar/jobs/1")
            with pytest.raises(FutureTimeoutError):
                asked.result(timeout=0.5)
            reserved.listen(1)
            connection, _ = reserved.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
                assert asked.result(timeout=20)[1] == b"late"


def test_a_function_that_does_not_answer_is_a_504() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = {"SUBMIT_JOB_URL": url, "JOB_STATUS_URL": url, "SALAD_WEBHOOK_URL": url}
        with running_gateway(**settings, UPSTREAM_TIMEOUT_SEC="0.3") as port:
            response, body = ask(port, "POST", "/v1/webhooks/salad", b"{}")
    assert (response.status, json.loads(body)["code"]) == (504, "upstream_unavailable")


@pytest.mark.parametrize("odd", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: a\r\n\r\n"])
def test_what_is_not_http_is_a_problem_document(gateway: int, odd: bytes) -> None:
    with socket.create_connection(("127.0.0.1", gateway), timeout=10) as connection:
        connection.sendall(odd)
        response = http.client.HTTPResponse(connection)
        response.begin()
        problem = json.loads(response.read())
    assert (response.status, response.headers["Content-Type"]) == (400, "application/problem+json")
    assert (problem["code"], problem["status"]) == ("invalid_json", 400)
    assert problem["request_id"] == response.headers["X-Request-Id"]
