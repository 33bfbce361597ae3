"""Talks to Salad's instance metadata service on behalf of this instance: its status, its deletion cost, its node."""

import json
from typing import Any

import urllib3

# The service answers on the node itself. It is asked from threads of their own, and an answer that takes longer than
# this would be late for what it is asked for.
TIMEOUT_SEC = 2.0
MAX_BODY = 64 * 1024  # bytes; an answer has a few hundred
MAX_REASON = 1000  # characters that the service takes, and at least one


class ImdsFault(Exception):  # noqa: N818  a fault of the service or the way to it, never of a job
    """A call that the service did not take; the message names the call and what came back."""


class Imds:
    """One instance's service. uri: its base, without /v1."""

    def __init__(self, uri: str) -> None:
        self._base = f"{uri.rstrip('/')}/v1"
        # urllib3 reads no proxy from the environment, and the service refuses what went through one
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=TIMEOUT_SEC))

    def is_ready(self) -> bool:
        """Gives whether Salad holds this instance for ready, by its readiness probe; raises ImdsFault."""
        answer = self._call("GET", "status", 200, None)
        try:
            ready = json.loads(answer)["ready"]
        except (ValueError, KeyError, TypeError) as error:
            raise ImdsFault("GET status: the answer does not say whether it is ready") from error
        return ready is True

    def set_deletion_cost(self, cost: int) -> None:
        """Says how costly it would be to delete this instance, 0-100000; raises ImdsFault."""
        self._call("PUT", "deletion-cost", 204, {"deletion_cost": cost})

    def reallocate(self, reason: str) -> None:
        """Asks for another node, to which Salad will not come back for 48 hours; raises ImdsFault.

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
                answer.close()  # a kept connection would be a stale one by the next call, minutes later
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ImdsFault(f"{method} {path}: {type(error).__name__}") from error
        if answer.status != expected:
            raise ImdsFault(f"{method} {path}: status {answer.status}")
        return content
