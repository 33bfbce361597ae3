"""The scheduler, the apps' webhooks, the clock and the log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


class TickWaker(Protocol):
    """Whoever calls the tick every minute."""

    def wake(self) -> None:
        """Has the tick called now. Raises ProviderError."""
        ...


@dataclass(frozen=True)
class CallbackAnswer:
    """What the app's webhook answered: its HTTP status, None when there was no answer; the pause it asked for."""

    http_status: int | None
    retry_after_sec: float | None = None

    @property
    def delivered(self) -> bool:
        """True for 2xx."""
        return self.http_status is not None and 200 <= self.http_status < 300


class CallbackSender(Protocol):
    """Posts one callback to an app, through the URL guard, following no redirect; never raises for the app's faults."""

    def send(self, url: str, headers: Mapping[str, str], body: bytes, timeout_sec: float) -> CallbackAnswer:
        """Sends once and says what came back."""
        ...


class Clock(Protocol):
    """The current time."""

    def __call__(self) -> datetime:
        """Returns now, aware, UTC."""
        ...


class EventLog(Protocol):
    """Writes one JSON line an event."""

    def __call__(self, event: str, **fields: Any) -> None:
        """event: what happened, in snake_case; fields: plain JSON values, never a secret."""
        ...
