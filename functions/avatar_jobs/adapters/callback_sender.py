"""Posts callbacks to apps through the URL guard: one try, no redirect, a small answer, a deadline."""

from collections.abc import Callable, Mapping
from datetime import datetime

import urllib3
from urllib3.exceptions import HTTPError

from avatar_jobs.domain.errors import UrlNotAllowedError
from avatar_jobs.domain.url_guard import judge_url
from avatar_jobs.ports.outside import CallbackAnswer, EventLog
from avatar_jobs.protocol.http_answers import retry_after_sec


class GuardedCallbackSender:
    """Fills the CallbackSender port. pool: from guarded_http; the answer's body is never read."""

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
            response = self._pool.request(
                "POST",
                url,
                headers={**headers, "Content-Type": "application/json", "User-Agent": "avatar-jobs-callback/1"},
                body=body,
                timeout=urllib3.Timeout(total=timeout_sec),
                redirect=False,
                preload_content=False,
            )
        except UrlNotAllowedError as error:
            self._log("callback_url_refused", reason=str(error))
            return CallbackAnswer(http_status=None)
        except (HTTPError, OSError) as error:
            self._log("callback_not_answered", reason=type(error).__name__)
            return CallbackAnswer(http_status=None)
        pause = retry_after_sec(response.headers.get("Retry-After"), self._now())
        response.close()  # what the app says beyond its status is of no use to us
        return CallbackAnswer(http_status=response.status, retry_after_sec=pause)
