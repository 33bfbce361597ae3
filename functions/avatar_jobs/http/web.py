"""The HTTP boundary: finds the route, authenticates the client, calls the handler, renders its reply or its error."""

import hashlib
import hmac
import json
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from flask import Request, Response
from werkzeug.exceptions import RequestEntityTooLarge

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import (
    ApiError,
    ApiErrorCode,
    BadSignatureError,
    ProviderError,
    RecordUnreadableError,
    StorageUnavailableError,
)
from avatar_jobs.ports.outside import EventLog
from avatar_jobs.protocol.problem import CONTENT_TYPE, Problem, not_served, render, service_failure
from avatar_jobs.protocol.requests import TOKEN_FORM

API_KEY_HEADER = "X-Internal-API-Key"
REQUEST_ID_HEADER = "X-Request-Id"
# What a 401 asks for, in WWW-Authenticate. RFC 9110 wants one, though of the three schemes only Bearer is registered.
API_KEY_CHALLENGE = f'ApiKey realm="avatar-jobs", header="{API_KEY_HEADER}"'
TOKEN_CHALLENGE = 'Bearer realm="avatar-jobs"'  # noqa: S105  a scheme, not a secret
SIGNATURE_CHALLENGE = 'StandardWebhooks realm="avatar-jobs"'
JSON_BODY_LIMIT = 64 * 1024  # for the bodies of apps and workers
# A refused body is read to its end, so that the client gets the answer instead of a reset connection. Cloud Run lets at
# most 32 MiB through.
DRAIN_LIMIT = 33 * 1024 * 1024
READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Call:
    """One request as a handler gets it.

    params: the path's parameters by name; headers: by name in lower case; body: the raw bytes; query: pairs in their
    order.
    """

    request_id: str
    client: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    query: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Reply:
    """A handler's answer. body: JSON values, None for an answer without a body."""

    status: int
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """One method on one path and its handler.

    path: with {name} for a parameter; HEAD is accepted where GET is; client_only: needs an API key; json_body: needs
    the content type application/json; check_headers: gets the path's parameters and the headers before the body is
    read, and raises against the request; body_limit: in bytes; challenge: the WWW-Authenticate of a 401.
    """

    method: str
    path: str
    handler: Callable[[Call], Reply]
    client_only: bool = False
    json_body: bool = False
    check_headers: Callable[[Mapping[str, str], Mapping[str, str]], object] | None = None
    body_limit: int = JSON_BODY_LIMIT
    challenge: str = API_KEY_CHALLENGE

    @property
    def methods(self) -> Sequence[str]:
        """Returns the methods that the handler answers; the server leaves the body out of the answer to a HEAD."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    def match(self, path: str) -> Mapping[str, str] | None:
        """Returns the path parameters, or None when this is another path."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        found = re.fullmatch(pattern, path)
        return found.groupdict() if found else None


class ApiKeys:
    """The API keys and their clients. A key is compared with all of them as digests, in constant time."""

    def __init__(self, keys: Mapping[str, Sequence[str]]) -> None:
        self._digests = [(_digest(key), client) for client, client_keys in keys.items() for key in client_keys]

    def client_of(self, key: str) -> str | None:
        """Returns the client that a key belongs to, None for an unknown key."""
        given, found = _digest(key), None
        for digest, client in self._digests:
            if hmac.compare_digest(digest, given):
                found = client
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


class Endpoint:
    """The HTTP side of one function. draw_id: makes a request id for a request without one."""

    def __init__(
        self, *, routes: Sequence[Route], api_keys: ApiKeys, log: EventLog, draw_id: Callable[[], str]
    ) -> None:
        self._routes = routes
        self._api_keys = api_keys
        self._log = log
        self._draw_id = draw_id

    def __call__(self, request: Request) -> Response:
        """Answers one request. Never raises: every error becomes a problem document."""
        given = request.headers.get(REQUEST_ID_HEADER, "")
        request_id = given if TOKEN_FORM.fullmatch(given) else self._draw_id()  # proxies set ids of their own form
        try:
            response = _response(self._answer(request, request_id))
        except ApiError as error:
            response = _problem(error, request_id)
        except BadSignatureError as error:
            self._log("signature_refused", level="warning", request_id=request_id, reason=str(error))
            response = _problem(ApiError(ApiErrorCode.UNAUTHENTICATED, texts.not_authentic(str(error))), request_id)
        except ProviderError as error:
            self._log("upstream_unavailable", level="error", request_id=request_id, reason=str(error))
            response = _failure(ApiErrorCode.UPSTREAM_UNAVAILABLE, texts.UPSTREAM_UNAVAILABLE, request_id)
        except RecordUnreadableError as error:  # before its base class: trying again at once does not help
            self._log(
                "record_not_served", level="error", request_id=request_id, job_id=error.job_id, reason=error.reason
            )
            response = _failure(ApiErrorCode.INTERNAL, texts.INTERNAL, request_id)
        except StorageUnavailableError as error:
            self._log("storage_unavailable", level="error", request_id=request_id, reason=str(error))
            text = texts.STORE_OUTCOME_UNKNOWN if error.may_have_written else texts.STORE_UNAVAILABLE
            response = _failure(ApiErrorCode.STORAGE_UNAVAILABLE, text, request_id)
        except Exception:  # noqa: BLE001  the only error boundary: no client may see a traceback
            self._log("internal_error", level="error", request_id=request_id, traceback=traceback.format_exc())
            response = _failure(ApiErrorCode.INTERNAL, texts.INTERNAL, request_id)
        _drain(request)
        if response.status_code == 401:
            response.headers["WWW-Authenticate"] = self._on_path(request)[0][0].challenge
        return _finished(response, request_id)

    def refusal(self, status: int) -> Response:
        """Returns the answer to a request that the framework or the server refuses, before it is a request of ours."""
        request_id = self._draw_id()
        return _finished(_rendered(not_served(status, request_id)), request_id)

    def _on_path(self, request: Request) -> Sequence[tuple[Route, Mapping[str, str]]]:
        return [(route, params) for route in self._routes if (params := route.match(request.path)) is not None]

    def _answer(self, request: Request, request_id: str) -> Reply:
        route, params = self._find(request)
        client = self._authenticate(request) if route.client_only else ""
        headers = {name.lower(): value for name, value in request.headers.items()}
        _check_type(request, route)
        if route.check_headers:
            route.check_headers(params, headers)
        body = _read_body(request, route)
        query = list(request.args.items(multi=True))
        return route.handler(
            Call(request_id=request_id, client=client, params=params, headers=headers, body=body, query=query)
        )

    def _find(self, request: Request) -> tuple[Route, Mapping[str, str]]:
        on_path = self._on_path(request)
        if not on_path:
            raise ApiError(ApiErrorCode.NOT_FOUND, texts.PATH_NOT_FOUND)
        for route, params in on_path:
            if request.method in route.methods:
                return route, params
        allow = sorted(method for route, _ in on_path for method in route.methods)
        raise ApiError(ApiErrorCode.METHOD_NOT_ALLOWED, texts.method_not_allowed(allow), allow=allow)

    def _authenticate(self, request: Request) -> str:
        key = request.headers.get(API_KEY_HEADER)
        client = self._api_keys.client_of(key) if key else None
        if client is None:
            detail = texts.api_key_wrong(API_KEY_HEADER) if key else texts.api_key_missing(API_KEY_HEADER)
            raise ApiError(ApiErrorCode.UNAUTHENTICATED, detail)
        return client


def _check_type(request: Request, route: Route) -> None:
    """Raises ApiError unsupported_media_type for a body that is encoded or of another type."""
    coding = request.headers.get("Content-Encoding", "").strip().lower()
    if route.method == "POST" and coding not in ("", "identity"):
        raise ApiError(ApiErrorCode.UNSUPPORTED_MEDIA_TYPE, texts.BODY_ENCODED)
    if route.json_body and request.mimetype != "application/json":
        raise ApiError(ApiErrorCode.UNSUPPORTED_MEDIA_TYPE, texts.BODY_NOT_JSON_TYPE)


def _read_body(request: Request, route: Route) -> bytes:
    """Reads the whole body within the route's limit. Raises ApiError payload_too_large."""
    request.max_content_length = DRAIN_LIMIT  # the framework's own limit answers with HTML
    announced = request.content_length or 0  # 0 also for a body in chunks, which is counted while it is read
    body = BytesIO()  # which gives its bytes away without a copy
    while announced <= route.body_limit and body.tell() <= route.body_limit and (chunk := _read_some(request)):
        body.write(chunk)
    if max(announced, body.tell()) > route.body_limit:
        raise ApiError(ApiErrorCode.PAYLOAD_TOO_LARGE, texts.body_too_large(route.body_limit))
    return body.getvalue()


def _read_some(request: Request) -> bytes:
    """Returns the next bytes of the body, none at its end. Raises ApiError when the body cannot be read to its end."""
    try:
        return request.stream.read(READ_BYTES)
    except RequestEntityTooLarge as error:
        raise ApiError(ApiErrorCode.PAYLOAD_TOO_LARGE, texts.REQUEST_TOO_LARGE) from error
    except Exception as error:  # a wrong chunk, a client that has gone: each server has its own exceptions
        raise ApiError(ApiErrorCode.INVALID_JSON, texts.REQUEST_MALFORMED) from error


def _drain(request: Request) -> None:
    """Reads the rest of a refused body, up to DRAIN_LIMIT bytes; a longer or a broken one is left."""
    request.max_content_length = DRAIN_LIMIT
    left = DRAIN_LIMIT
    with suppress(ApiError):
        while left > 0 and (chunk := _read_some(request)):
            left -= len(chunk)
    request.stream = BytesIO()  # the framework reads once more, and its error would replace our answer


def _response(reply: Reply) -> Response:
    content = None if reply.body is None else json.dumps(reply.body)
    response = Response(content, status=reply.status, content_type="application/json")
    if content is None:
        del response.headers["Content-Type"]
    response.headers.extend(dict(reply.headers))
    return response


def _failure(code: ApiErrorCode, what_happened: str, request_id: str) -> Response:
    return _problem(service_failure(code, what_happened), request_id)


def _problem(error: ApiError, request_id: str) -> Response:
    return _rendered(render(error, request_id))


def _rendered(problem: Problem) -> Response:
    response = Response(json.dumps(problem.document), status=problem.status, content_type=CONTENT_TYPE)
    response.headers.extend(dict(problem.headers))
    return response


def _finished(response: Response, request_id: str) -> Response:
    """Adds the headers that every answer has."""
    response.headers[REQUEST_ID_HEADER] = request_id
    response.headers["Cache-Control"] = "no-store"  # answers contain signed links and the jobs of one client
    return response
