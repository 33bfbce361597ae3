"""The proxy as an ASGI application: reads a request, forwards it, sends the answer back.

It is ASGI and not WSGI because only ASGI keeps path, query and repeated headers as they were sent. uvicorn, which
comes with functions-framework, serves it.
"""

import asyncio
import itertools
import json
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import uuid4

from infra.local.gateway.forwarding import (
    Answer,
    Headers,
    Message,
    UpstreamRefusedError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
    forward,
)
from infra.local.gateway.settings import Settings, Upstream
from infra.local.json_logs import log_event

MAX_BODY_BYTES = 32 * 1024 * 1024  # Cloud Run's limit for an HTTP/1 request
START_POLL_SEC = 0.1  # between two looks whether an instance listens now
THREADS = 128  # one for each request in flight: at least as many as the functions can serve at once

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class BodyTooLargeError(Exception):
    """The request's body is over the limit."""


class ClientGoneError(Exception):
    """The client closed its connection before its request was whole."""


class Gateway:
    """The ASGI application. The calls to the functions block, so each runs in a thread of a pool."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="upstream")
        self._turns = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        raw_path: bytes = scope["raw_path"]
        function = function_for(raw_path.decode("latin-1"))
        try:
            answer = await self._answer(scope, receive)
        except ClientGoneError:
            log_event("client_gone", function=function, method=scope["method"])
            return
        path = scope["path"]  # decoded and without the query: signed links must not appear in logs
        log_event("gateway_request", method=scope["method"], path=path, function=function, status=answer.status)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        headers: Headers = scope["headers"]
        request_id = next((value.decode("latin-1") for name, value in headers if name == b"x-request-id"), None)
        try:
            body = await _read_body(headers, receive)
        except BodyTooLargeError:
            return problem(
                413,
                "Payload Too Large",
                "payload_too_large",
                "The body is over 32 MiB; send a smaller one.",
                request_id,
            )
        query: bytes = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        function = function_for(scope["raw_path"].decode("latin-1"))
        message = Message(scope["method"], target, headers, body)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._forward, message, function)
        except UpstreamTimeoutError:
            return problem(
                504,
                "Gateway Timeout",
                "upstream_unavailable",
                "The function did not answer in time; try again.",
                request_id,
            )
        except UpstreamUnreachableError as error:
            log_event("upstream_unreachable", function=function, error=str(error))
            return problem(
                502, "Bad Gateway", "upstream_unavailable", "The function cannot be reached; try again.", request_id
            )

    def _forward(self, message: Message, function: Upstream) -> Answer:
        """Sends the request to one instance of the function, to each in its turn.

        One that refuses the connection has got nothing, so the next is asked; while none listens, the request waits up
        to start_sec, as in the cloud for a cold start. Raises UpstreamUnreachableError and UpstreamTimeoutError.
        """
        instances = self._settings.upstreams[function]
        until = time.monotonic() + self._settings.start_sec
        first = next(self._turns)
        while True:
            for number in range(len(instances)):
                with suppress(UpstreamRefusedError):
                    return forward(message, instances[(first + number) % len(instances)], self._settings.timeout_sec)
            if time.monotonic() >= until:
                raise UpstreamRefusedError(f"no instance of {function} listens")
            time.sleep(START_POLL_SEC)


def function_for(raw_path: str) -> Upstream:
    """Returns the function for a path as it was sent (percent-encoded, without the query).

    A path that no function serves goes to job_status, so that its 404 has the API's form.
    """
    if raw_path == "/v1/avatar/jobs":
        return "submit_job"
    if raw_path.startswith(("/v1/webhooks/", "/v1/worker/")):
        return "salad_webhook"
    return "job_status"


def problem(status: int, title: str, code: str, detail: str, request_id: str | None) -> Answer:
    """Returns an error answer in the API's form (RFC 9457), for a request that no function answered.

    From status 500 on it has a Retry-After. request_id: as the client sent it; a missing one is replaced, and so is one
    of another form than the API's.
    """
    if not re.fullmatch(r"[A-Za-z0-9._~-]{1,128}", request_id or ""):
        request_id = uuid4().hex
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    encoded = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(encoded)).encode()),
        (b"x-request-id", str(request_id).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status >= 500:
        headers.append((b"retry-after", b"1"))
    return Answer(status, headers, encoded)


async def _read_body(headers: Headers, receive: Receive) -> bytes:
    """Returns the whole body. Raises BodyTooLargeError, before reading if Content-Length is over the limit."""
    promised = next((value for name, value in headers if name == b"content-length"), b"0")
    if int(promised) > MAX_BODY_BYTES:
        raise BodyTooLargeError
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGoneError
        chunk: bytes = event.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise BodyTooLargeError
        more = event.get("more_body", False)
    return b"".join(chunks)
