"""Runs each REST operation through the same steps: count, key, rate limit, planned fault, validation, handler."""

import hmac
import json
import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from flask import Flask, Request, Response, request

from infra.local import faults
from infra.local.faults import Fault, FaultBook
from infra.local.salad_sim import wire
from infra.local.salad_sim.rate_limit import RateLimit
from infra.local.salad_sim.settings import Settings
from infra.local.salad_sim.spec import Operation, Spec
from infra.local.salad_sim.world import ActionError

PREFIX = "/api/public"
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One validated request. body: parsed JSON, None without a body."""

    path: dict[str, str]
    query: dict[str, int]
    body: Any


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A handler's answer. body: JSON value, None for an empty body."""

    body: Any = None
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Answer]


class Registry:
    """The operations that the simulator serves. Each registered operation can also have planned faults."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}

    def operation(self, operation_id: str) -> Callable[[Handler], Handler]:
        """Returns a decorator for an operation's handler; path, method and schemas come from the OpenAPI file."""

        def register(handler: Handler) -> Handler:
            if operation_id in self.handlers:
                raise ValueError(f"{operation_id} has a handler already")
            self.handlers[operation_id] = handler
            return handler

        return register


@dataclass(frozen=True, kw_only=True)
class Gates:
    """The objects that the steps before a handler use."""

    spec: Spec
    settings: Settings
    faults: FaultBook
    rate_limit: RateLimit
    closing: threading.Event  # set at the end: it cuts the delays of planned faults short


def add_routes(app: Flask, registry: Registry, gates: Gates) -> None:
    """Adds a route for each registered operation. Raises KeyError for one that the OpenAPI file does not have."""
    for operation_id, handler in registry.handlers.items():
        operation = gates.spec.operations[operation_id]
        rule = PREFIX + re.sub(r"\{(\w+)\}", r"<\1>", operation.path)
        app.add_url_rule(rule, operation_id, _view(operation, handler, gates), methods=[operation.method])


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """Returns a problem-details answer with the content type that Salad's file has for errors."""
    body = wire.problem_json(status, TITLES.get(status, "Error"), detail)
    return Response(json.dumps(body), status, headers, content_type="application/json")


def _view(operation: Operation, handler: Handler, gates: Gates) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        gates.faults.count(operation.id)
        refused = _refused(path, gates)
        if refused is not None:
            return refused
        fault = gates.faults.take(operation.id)
        early = _before(fault, gates)
        if early is not None:
            return early
        try:
            answer = handler(Call(path=path, query=_query(operation, gates), body=_body(operation, gates)))
        except ActionError as error:
            return problem(error.status, error.detail)
        if fault is not None and fault.fault.get("cut") == "after":
            return _cut(request)
        data = b"" if answer.body is None else json.dumps(answer.body).encode()
        return Response(data, answer.status, answer.headers, content_type=answer.content_type)

    return view


def _refused(path: dict[str, str], gates: Gates) -> Response | None:
    """Returns the refusal for a wrong key, a used-up rate limit, or an unknown organization or project."""
    given = request.headers.get("Salad-Api-Key", "")
    if not hmac.compare_digest(given.encode(), gates.settings.api_key.encode()):
        return problem(401, "the Salad-Api-Key header is missing or wrong")
    wait_sec = gates.rate_limit.wait_sec(monotonic())
    if wait_sec > 0:
        retry_after = {"Retry-After": str(math.ceil(wait_sec))} if gates.settings.rate_limit_retry_after else {}
        return problem(429, "the API key has used up its calls of this minute", retry_after)
    if path.get("organization_name") != gates.settings.organization:
        return problem(404, "the organization does not exist")
    if path.get("project_name", gates.settings.project) != gates.settings.project:
        return problem(404, "the project does not exist")
    return None


def _before(fault: Fault | None, gates: Gates) -> Response | None:
    """Carries out the part of a fault that comes before the handler. Returns the answer if the call ends there."""
    if fault is None:
        return None
    if fault.kind == "delay_sec":
        gates.closing.wait(fault.fault["delay_sec"])
        return None
    if fault.kind == "cut":
        return _cut(request) if fault.fault["cut"] == "before" else None
    status = fault.fault["status"]
    headers = {"Retry-After": str(fault.fault["retry_after"])} if "retry_after" in fault.fault else {}
    if fault.fault.get("html"):
        return Response(faults.page(status), status, headers, content_type="text/html; charset=utf-8")
    return problem(status, "a planned fault", headers)


def _cut(current: Request) -> Response:
    """Closes the caller's connection without an answer."""
    faults.cut(current.environ)
    return Response(b"", 200)  # is not sent: the socket is closed


def _query(operation: Operation, gates: Gates) -> dict[str, int]:
    query: dict[str, Any] = {}
    for name in operation.query:
        text = request.args.get(name)
        if text is not None:
            query[name] = int(text) if re.fullmatch(r"-?\d{1,10}", text) else text
    faults = gates.spec.query_faults(operation, query)
    if faults:
        raise ActionError(400, "; ".join(faults)[:2000])
    return query


def _body(operation: Operation, gates: Gates) -> Any:
    if not operation.request_schemas:
        return None
    if request.mimetype not in operation.request_schemas:
        raise ActionError(415, f"the body must come as {' or '.join(operation.request_schemas)}")
    try:
        body = json.loads(request.get_data(cache=False))
    except ValueError as error:
        raise ActionError(400, f"the body is not JSON: {error}") from error
    faults = gates.spec.request_faults(operation, request.mimetype, body)
    if faults:
        raise ActionError(400, "; ".join(faults)[:2000])
    return body
