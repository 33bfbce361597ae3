"""One HTTP request to SaladCloud at a time: time-outs, size limits, and errors that say whether a retry helps.

Facts: Salad's public OpenAPI document and API usage page: header Salad-Api-Key, 240 calls a minute for one key, errors
may be HTML pages also behind a JSON Accept, PATCH takes application/merge-patch+json.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import certifi

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.outside.http_client import HttpAnswer, NoAnswerError, exchange, timed_pool
from avatar_jobs.protocol.http_answers import error_reason, retry_after_sec
from avatar_jobs.protocol.outside_json import JsonOverLimitError, NotJsonError, read_json

DEFAULT_TIMEOUT_SEC = 10.0
# The output of one job is at most 10 MB as a worker of ours writes it. Only text that is no JSON grows by its escapes.
MAX_BODY_BYTES = 12_000_000
MERGE_PATCH = "application/merge-patch+json"


class AnswerOverLimitError(ProviderError):
    """Salad's answer has the expected status, but nests too deep, holds too many values or is too long."""

    def __init__(self, method: str, status: int) -> None:
        text = f"Salad answered {method} with {status} and a body over the limits"
        super().__init__(text, status=status, retryable=True, may_have_happened=True)


class SaladTransport:
    """A sender of single HTTP requests with the API key.

    timeout_sec: limit of one call in seconds, by the wall clock; now: the current time, to read dates in Retry-After.
    Both methods send exactly one request and raise ProviderError; the API key occurs in no message.
    """

    def __init__(self, *, api_key: str, now: Callable[[], datetime], timeout_sec: float = DEFAULT_TIMEOUT_SEC) -> None:
        self._now = now
        self._timeout_sec = timeout_sec
        self._headers = {"Salad-Api-Key": api_key, "Accept": "application/json", "User-Agent": "avatar-jobs/1"}
        self._pool = timed_pool(ca_certs=certifi.where())  # reads no proxy and no .netrc, which may see the key

    def close(self) -> None:
        """Closes the kept connections."""
        self._pool.clear()

    def call_object(
        self,
        method: str,
        url: str,
        expected: int,
        body: Mapping[str, Any] | None = None,
        content_type: str | None = None,
    ) -> dict[str, Any]:
        """Sends one request and returns the JSON object that must come with the expected status."""
        answer = self.call(method, url, expected, body, content_type)
        if not isinstance(answer, dict):
            raise ProviderError(
                f"Salad answered {method} with something else than a JSON object",
                status=expected,
                retryable=True,
                may_have_happened=True,
            )
        return answer

    def call(
        self,
        method: str,
        url: str,
        expected: int,
        body: Mapping[str, Any] | None = None,
        content_type: str | None = None,
    ) -> Any:
        """Sends one request and returns the parsed body of the expected status (None when it is empty)."""
        content = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, **({} if body is None else {"Content-Type": content_type or "application/json"})}
        try:
            answer = exchange(
                self._pool,
                method,
                url,
                headers=headers,
                body=content,
                limit_sec=self._timeout_sec,
                body_limit=MAX_BODY_BYTES,
            )
        except NoAnswerError as error:
            what = "gave no answer in time, or cut it" if error.may_have_sent else "could not be connected"
            raise ProviderError(
                f"Salad {what} ({method}, {error})",
                status=None,
                retryable=True,
                may_have_happened=error.may_have_sent,
            ) from error
        return self._read(method, expected, answer)

    def _read(self, method: str, expected: int, answer: HttpAnswer) -> Any:
        status, content = answer.status, answer.body
        content_type = answer.headers.get("Content-Type", "")
        if status != expected:
            raise ProviderError(
                f"Salad answered {method} with {status}: {error_reason(content, content_type)}",
                status=status,
                retryable=status in (401, 403, 408, 429) or status >= 500,
                may_have_happened=not 400 <= status < 500 or status == 408,
                retry_after_sec=retry_after_sec(answer.headers.get("Retry-After"), self._now()),
            )
        if not answer.is_whole:
            raise AnswerOverLimitError(method, status)
        if not content:
            return None
        try:
            return read_json(content)
        except JsonOverLimitError as error:
            raise AnswerOverLimitError(method, status) from error
        except NotJsonError as error:
            raise ProviderError(
                f"Salad answered {method} with {status} and {error_reason(content, content_type)}",
                status=status,
                retryable=True,
                may_have_happened=True,
            ) from error
