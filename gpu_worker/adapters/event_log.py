"""The log: one JSON line for each event, also for what libraries log."""

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TextIO

MAX_LIBRARY_TEXT = 500  # characters of a library's message; tracebacks and dumps stay out of the line


@dataclass(frozen=True)
class EventLog:
    """A log that adds its fields to every event. clock: returns the time in UTC. Safe between threads."""

    stream: TextIO
    clock: Callable[[], datetime]
    fields: Mapping[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def bind(self, **fields: Any) -> "EventLog":
        """Returns a log that adds these fields to every event."""
        return EventLog(self.stream, self.clock, {**self.fields, **fields}, self.lock)

    def event(self, event: str, **fields: Any) -> None:
        """Writes one event; never put a token, a key or a URL's query into a field."""
        record = {"event": event, "time": self.clock().isoformat(timespec="milliseconds")}
        line = json.dumps({**record, **self.fields, **fields}, default=str)
        with self.lock:
            self.stream.write(line + "\n")
            self.stream.flush()


class LibraryLogHandler(logging.Handler):
    """A handler that writes what libraries log at WARNING and above as `library_log` events, URLs without queries."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record; its traceback is left out on purpose."""
        text = re.sub(r"\?\S+", "?...", record.getMessage())[:MAX_LIBRARY_TEXT]
        self._log.event("library_log", logger=record.name, level=record.levelname, message=text)
