"""Salad's instance metadata service: the status of this instance, its deletion cost, and a request for another node."""

import json
from typing import Any

import urllib3

# The service runs on the node itself. It is called from separate threads; an answer after this time would be of no use.
TIMEOUT_SEC = 2.0
MAX_BODY = 64 * 1024  # bytes; an answer has a few hundred
MAX_REASON = 1000  # characters; the service accepts 1 to this many


class ImdsFault(Exception):  # noqa: N818  a fault of the service or the way to it, never of a job
    """A call that failed; the message names the call and the answer."""


class Imds:
    """The metadata service of one instance. uri: its base, without /v1."""

    def __init__(self, uri: str) -> None:
        self._base = f"{uri.rstrip('/')}/v1"
        # urllib3 reads no proxy from the environment; the service refuses requests that came through a proxy
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=TIMEOUT_SEC))

    def is_ready(self) -> bool:
        """Returns whether Salad's readiness probe counts this instance as ready; raises ImdsFault."""
        answer = self._call("GET", "status", 200, None)
        try:
            ready = json.loads(answer)["ready"]
        except (ValueError, KeyError, TypeError) as error:
            raise ImdsFault("GET status: the answer does not say whether the instance is ready") from error
        return ready is True

    def set_deletion_cost(self, cost: int) -> None:
        """Sets how costly it would be to delete this instance, 0-100000; raises ImdsFault."""
        self._call("PUT", "deletion-cost", 204, {"deletion_cost": cost})

    def reallocate(self, reason: str) -> None:
        """Asks for another node; Salad then does not use this one for 48 hours. Raises ImdsFault.

        reason: any text; an empty one is replaced and a long one is cut, because the service refuses both.
        """
        self._call("POST", "reallocate", 204, {"reason": reason[:MAX_REASON] or "no reason given"})

    def _call(self, method: str, path: str, expected: int, body: dict[str, Any] | None) -> bytes:
        headers = {"Metadata": "true"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        try:
            answer = self._http.request(
                method, f"{self._base}/{path}", body=data, headers=headers, redirect=False, preload_content=False
            )
            try:
                content = answer.read(MAX_BODY)
            finally:
                answer.close()  # the next call comes minutes later, and a kept connection would be stale by then
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ImdsFault(f"{method} {path}: {type(error).__name__}") from error
        if answer.status != expected:
            raise ImdsFault(f"{method} {path}: status {answer.status}")
        return content
