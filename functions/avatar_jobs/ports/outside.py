"""The ports of the scheduler, the apps' webhooks, the clock and the log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


class TickScheduler(Protocol):
    """The scheduler that calls the tick every minute."""

    def run_tick(self) -> None:
        """Asks the scheduler to call the tick now. Raises ProviderError."""
        ...


@dataclass(frozen=True)
class CallbackAnswer:
    """The answer of an app's webhook.

    http_status: None when there was no answer; retry_after_sec: the pause in seconds that the app asked for.
    """

    http_status: int | None
    retry_after_sec: float | None = None

    @property
    def delivered(self) -> bool:
        """True for 2xx."""
        return self.http_status is not None and 200 <= self.http_status < 300


class CallbackSender(Protocol):
    """Sends callbacks to apps, through the URL guard and without following redirects."""

    def send(self, url: str, headers: Mapping[str, str], body: bytes, timeout_sec: float) -> CallbackAnswer:
        """Sends one POST. Returns the answer; a fault of the app is an answer too and raises nothing."""
        ...


class Clock(Protocol):
    """The current time."""

    def __call__(self) -> datetime:
        """Returns the current time in UTC, with its time zone."""
        ...


class EventLog(Protocol):
    """The log: one JSON line for each event."""

    def __call__(self, event: str, **fields: Any) -> None:
        """Writes one line.

        event: what happened, in snake_case; fields: plain JSON values, never a secret.
        """
        ...
