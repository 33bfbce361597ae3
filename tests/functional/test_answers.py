"""The form of answers: request ids, HEAD, 401, encoded bodies; and problem documents for all that is refused, also by
the framework and its server, before a request is one of ours."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.ports import reserved_port
from tests.support.functions import API_KEY, FUNCTIONS, FunctionClient, Reply, variables
from tests.support.openapi import OpenApiValidator
from tests.support.system import System
from tests.support.waiting import eventually

JOBS = "/v1/avatar/jobs"
LIBRARIES = re.compile(rb"(?i)pydantic|werkzeug|flask|gunicorn|python|value error|traceback|html")


def refused(reply: Any) -> Any:
    """The problem document of an unchecked answer, which has every header that our answers have."""
    document = json.loads(reply.get_data())
    OpenApiValidator().check_schema({"$ref": "#/components/schemas/Problem"}, document, "problem")
    assert reply.content_type == "application/problem+json"
    assert document["status"] == reply.status_code
    assert document["request_id"] == reply.headers["X-Request-Id"]
    assert reply.headers["Cache-Control"] == "no-store"
    assert not LIBRARIES.search(reply.get_data())
    return document


@pytest.mark.parametrize("given", ["has space", "", "a" * 129, "ä", "req-1, req-2", "{1}", '"q"'])
def test_a_request_id_of_another_form_is_replaced(system: System, given: str) -> None:
    reply = system.submit(headers={"X-Request-Id": given})
    assert reply.status == 202
    assert reply.headers["X-Request-Id"] == reply.json["request_id"]
    assert re.fullmatch("[0-9a-f]{32}", reply.json["request_id"])


@pytest.mark.parametrize("given", ["a", "A-z0.9_~-", "r" * 128])
def test_a_request_id_of_the_right_form_is_kept(system: System, given: str) -> None:
    assert system.submit(headers={"X-Request-Id": given}).json["request_id"] == given


def test_head_answers_as_get_does_without_the_body(system: System) -> None:
    job_id = system.submit().json["id"]
    for function, path in (
        ("submit_job", JOBS),
        ("submit_job", f"{JOBS}?page_size=0"),
        ("job_status", f"{JOBS}/{job_id}"),
        ("job_status", f"{JOBS}/{'0' * 32}"),
        ("job_status", "/v1/avatar/health"),
    ):
        client = system.function(function)
        sent = {"X-Internal-API-Key": API_KEY, "X-Request-Id": "one"}
        got, head = (client.call(method, path, headers=sent) for method in ("GET", "HEAD"))
        assert (head.status, head.body) == (got.status, b"")
        # the length of health changes with the seconds in it
        assert set(head.headers) == set(got.headers)
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        assert head.headers.get("Retry-After") == got.headers.get("Retry-After")
        assert int(head.headers["Content-Length"]) > 0


def test_a_path_lists_head_where_it_lists_get(system: System) -> None:
    submit, status = system.function("submit_job"), system.function("job_status")
    replies = [submit.call("PUT", JOBS), status.call("POST", f"{JOBS}/abc")]
    assert [(reply.status, reply.headers["Allow"]) for reply in replies] == [
        (405, "GET, HEAD, POST"), (405, "DELETE, GET, HEAD"),
    ]  # fmt: skip
    webhook = system.function("salad_webhook").call("HEAD", "/v1/webhooks/salad")
    assert (webhook.status, webhook.headers["Allow"]) == (405, "POST")


def test_every_401_says_how_to_authenticate(system: System) -> None:
    asked = [
        (system.function("job_status").call("GET", "/v1/avatar/health"), "ApiKey"),
        (system.submit(key="wrong"), "ApiKey"),
        (system.function("salad_webhook").call("POST", "/v1/webhooks/salad"), "StandardWebhooks"),
        (system.function("salad_webhook").call("POST", "/v1/worker/jobs/a/reports"), "Bearer"),
    ]
    for reply, scheme in asked:
        assert reply.status == 401
        assert reply.headers["WWW-Authenticate"].split(" ")[0] == scheme
    assert 'header="X-Internal-API-Key"' in asked[0][0].headers["WWW-Authenticate"]


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate, gzip", "GZIP"])
def test_an_encoded_body_is_a_415_before_it_is_looked_at(system: System, coding: str) -> None:
    encoded = {"Content-Encoding": coding, "Content-Type": "application/json", "X-Internal-API-Key": API_KEY}
    replies: list[Reply] = [
        system.function("submit_job").call("POST", JOBS, body=b"\x1f\x8b", headers=encoded),
        system.function("salad_webhook").call("POST", "/v1/webhooks/salad", body=b"\x1f\x8b", headers=encoded),
        system.function("salad_webhook").call("POST", "/v1/worker/jobs/a/reports", body=b"\x1f\x8b", headers=encoded),
    ]
    for reply in replies:
        assert (reply.status, reply.json["code"]) == (415, "unsupported_media_type")
        assert "Content-Encoding" in reply.json["detail"]
    assert system.submit(headers={"Content-Encoding": "identity"}).status == 202
    listed = system.function("submit_job").call("GET", JOBS, headers=encoded)
    assert listed.status == 200, "some clients send the same headers with every request; a GET has no body"


@pytest.mark.parametrize("function", ["submit_job", "job_status", "salad_webhook", "scale_tick"])
@pytest.mark.parametrize(
    "path", ["/", "/favicon.ico", "/robots.txt", "/a%0ab", f"{JOBS}%0a", "/%00", "/%ff%fe", "/v1/avatar/jobs/a/b", "/é"]
)
def test_an_unknown_path_is_a_problem_document_whatever_the_framework_thinks_of_it(
    system: System, function: str, path: str
) -> None:
    for method in ("GET", "POST", "TRACE", "PROPFIND", "OPTIONS"):
        reply = system.function(function).unchecked.open(path, method=method)
        assert refused(reply)["code"] == "not_found", method


def test_an_id_with_a_line_feed_is_no_job(system: System) -> None:
    reply = system.read("a" * 32 + "%0a")
    assert (reply.status, reply.json["code"]) == (404, "job_not_found")


def test_two_slashes_are_not_redirected(system: System) -> None:
    reply = system.function("submit_job").unchecked.get("//v1//avatar/jobs", headers={"X-Internal-API-Key": API_KEY})
    assert reply.status_code in (200, 404)


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PATCH", "PROPFIND", "BREW"])
def test_an_odd_method_is_a_405(system: System, method: str) -> None:
    reply = system.function("job_status").unchecked.open(f"{JOBS}/abc", method=method)
    assert (refused(reply)["code"], reply.headers["Allow"]) == ("method_not_allowed", "DELETE, GET, HEAD")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of submit_job behind the server that the cloud runs it with."""
    store = {"STORE": "sqlite", "SQLITE_PATH": str(tmp_path_factory.mktemp("store") / "jobs.sqlite")}
    nobody = "http://127.0.0.1:9"
    settings = variables(store=store, salad_url=nobody, b2_url=nobody, base_url=nobody)
    port = reserved_port()
    process = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("functions-framework")), "--host=127.0.0.1", f"--port={port}",
            "--target=submit_job", f"--source={FUNCTIONS / 'submit_job' / 'main.py'}",
        ],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(FUNCTIONS), **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        eventually(lambda: answers(port), 60, "the start of submit_job")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def exchanged(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Sends bytes as they are; returns status, headers (names in lower case) and body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split(" ")[1]), headers, body


def head(*lines: str) -> bytes:
    """A request to submit_job without a body, whose first line or headers may be odd."""
    first, *headers = lines
    common = ["Host: api", "Connection: close", f"X-Internal-API-Key: {API_KEY}"]
    return "\r\n".join([first, *common, *headers, "", ""]).encode("latin-1")


POSTED = ("POST /v1/avatar/jobs HTTP/1.1", "Content-Type: application/json")


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (head("GET / HTTP/1.1", f"X-Long: {'a' * 9000}"), 431, "payload_too_large"),
        (head("GET / HTTP/1.1", *(f"X-{n}: a" for n in range(150))), 431, "payload_too_large"),
        (head("GET /favicon.ico HTTP/1.1"), 404, "not_found"),
        (head("GET /v1/avatar/jobs%0a HTTP/1.1"), 404, "not_found"),
        (head(f"GET /?a={'a' * 70_000} HTTP/1.1"), 404, "not_found"),
        (head("TRACE /v1/avatar/jobs HTTP/1.1"), 405, "method_not_allowed"),
        (head("get /v1/avatar/jobs HTTP/1.1"), 400, "invalid_json"),
        (head("GET / HTTP/3.0"), 400, "invalid_json"),
        (head("GET / HTTP/1.1", "Bad Header: a"), 400, "invalid_json"),
        (head("GET / HTTP/1.1", "X-A: a\r\n folded"), 400, "invalid_json"),
        (b"GARBAGE\r\n\r\n", 400, "invalid_json"),
        (head(*POSTED, "Content-Length: -5"), 400, "invalid_json"),
        (head(*POSTED, "Content-Length: 5", "Content-Length: 6"), 400, "invalid_json"),
        (head(*POSTED, "Transfer-Encoding: chunked") + b"zz\r\n", 400, "invalid_json"),
        (head(*POSTED, "Content-Length: 99999999999"), 413, "payload_too_large"),
        (head(*POSTED, "Expect: 200-ok", "Content-Length: 2") + b"{}", 417, "invalid_json"),
    ],
    ids=[
        "a long header", "many headers", "favicon", "a line feed", "a long URL", "TRACE", "a method in lower case",
        "HTTP/3.0", "a space in a name", "a folded header", "no HTTP", "a negative length", "two lengths",
        "a wrong chunk", "93 GB", "an unknown expectation",
    ],
)  # fmt: skip
def test_what_the_server_refuses_is_a_problem_document(
    server: int, request_bytes: bytes, status: int, code: str, openapi: OpenApiValidator
) -> None:
    given, headers, body = exchanged(server, request_bytes)
    document = json.loads(body)
    openapi.check_schema({"$ref": "#/components/schemas/Problem"}, document, "problem")
    assert (given, document["status"], document["code"]) == (status, status, code)
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-request-id"] == document["request_id"]
    assert int(headers["content-length"]) == len(body)
    assert not LIBRARIES.search(body)


def test_a_client_that_waits_for_100_continue_or_sends_chunks_is_served(server: int) -> None:
    status, headers, rest = exchanged(server, head(*POSTED, "Expect: 100-continue", "Content-Length: 2") + b"{}")
    assert (status, headers) == (100, {})
    assert rest.startswith(b"HTTP/1.1 422 ")
    chunks = b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    assert exchanged(server, head(*POSTED, "Transfer-Encoding: chunked") + chunks)[0] == 422


def test_a_body_that_ends_too_early_stops_nothing(server: int) -> None:
    with socket.create_connection(("127.0.0.1", server), timeout=10) as connection:
        connection.sendall(head(*POSTED, "Content-Length: 500") + b'{"video')
    assert exchanged(server, head("GET /v1/avatar/jobs HTTP/1.1"))[0] == 200


def test_the_framework_shows_no_exception_of_its_own(
    system: System, openapi: OpenApiValidator, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = FunctionClient("job_status", system.environment, openapi)

    def broken(_: object) -> None:
        raise ZeroDivisionError("secret inside")

    client.unchecked.application.after_request_funcs[None] = [broken]
    reply = client.unchecked.get("/")
    assert refused(reply)["code"] == "internal"
    assert reply.headers["Retry-After"] == "5"
