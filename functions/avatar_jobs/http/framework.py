"""Puts an endpoint behind functions-framework so that it answers everything, and problem documents are the only errors.

By itself the framework refuses some paths (`/favicon.ico`, a path with a line feed) with pages of HTML, and so does its
server, gunicorn, what is not HTTP or has too long a header.
"""

import socket
from collections.abc import Mapping

import gunicorn.util
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from avatar_jobs.http.web import Endpoint


def serve(app: Flask, endpoint: Endpoint) -> None:
    """Passes every request of the app to the endpoint, before the app's own routes are looked at."""

    def answer() -> Response:
        return endpoint(request)

    def failed(_: Exception) -> Response:
        return endpoint.refusal(500)

    def refused(error: HTTPException) -> Response:
        return endpoint.refusal(error.code or 500)

    def write_error(connection: socket.socket, status: int, reason: str, _: str) -> None:
        gunicorn.util.write_nonblock(connection, _raw(endpoint.refusal(status), reason))

    app.before_request(answer)
    app.register_error_handler(500, failed)  # in place of the framework's, which shows the exception's text
    app.register_error_handler(HTTPException, refused)
    gunicorn.util.write_error = write_error  # its workers call this one function for what they cannot read


def _raw(response: Response, reason: str) -> bytes:
    """Returns an answer as it goes over the connection, which is closed after it."""
    body = response.get_data()
    headers: Mapping[str, str] = {**response.headers, "Connection": "close", "Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {response.status_code} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
