"""Sends callbacks to apps through the URL guard: one request, no redirect, a time limit."""

from collections.abc import Callable, Mapping
from datetime import datetime

import urllib3

from avatar_jobs.domain.errors import UrlNotAllowedError
from avatar_jobs.domain.url_guard import judge_url
from avatar_jobs.outside.http_client import NoAnswerError, exchange
from avatar_jobs.ports.outside import CallbackAnswer, EventLog
from avatar_jobs.protocol.http_answers import retry_after_sec


class GuardedCallbackSender:
    """The CallbackSender port over HTTP; it does not read the body of an answer.

    pool: from guarded_http; rehearsal: True also allows http and loopback URLs; now: returns the current time, to read
    dates in Retry-After.
    """

    def __init__(
        self, *, pool: urllib3.PoolManager, rehearsal: bool, now: Callable[[], datetime], log: EventLog
    ) -> None:
        self._pool = pool
        self._rehearsal = rehearsal
        self._now = now
        self._log = log

    def send(self, url: str, headers: Mapping[str, str], body: bytes, timeout_sec: float) -> CallbackAnswer:
        """See CallbackSender.send."""
        try:
            judge_url(url, rehearsal=self._rehearsal)
            answer = exchange(
                self._pool,
                "POST",
                url,
                headers={**headers, "Content-Type": "application/json", "User-Agent": "avatar-jobs-callback/1"},
                body=body,
                limit_sec=timeout_sec,
                body_limit=0,  # only the status counts
            )
        except UrlNotAllowedError as error:
            self._log("callback_url_refused", reason=str(error))
            return CallbackAnswer(http_status=None)
        except NoAnswerError as error:
            self._log("callback_not_answered", reason=str(error))
            return CallbackAnswer(http_status=None)
        pause = retry_after_sec(answer.headers.get("Retry-After"), self._now())
        return CallbackAnswer(http_status=answer.status, retry_after_sec=pause)
