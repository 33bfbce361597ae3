"""Writes the rehearsal's log: one JSON object a line on standard error, for its own events and for libraries'."""

import json
import logging
import sys
import time
from datetime import UTC, datetime


def log_event(event: str, **fields: object) -> None:
    """Writes one line. fields: JSON values; another value is written as its repr. Never pass a secret."""
    line = {"time": _iso(time.time()), "event": event, **fields}
    # one write of the whole line: threads and processes share this stream
    sys.stderr.write(json.dumps(line, default=repr) + "\n")
    sys.stderr.flush()


class JsonFormatter(logging.Formatter):
    """Formats a log record of a library (waitress, uvicorn, urllib3) as a line of the same form."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line without its newline. Of an exception it has type and text, but no stack."""
        line: dict[str, object] = {
            "time": _iso(record.created),
            "event": "library_log",
            "logger": record.name,
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = repr(record.exc_info[1])
        return json.dumps(line)


def send_library_logs_to_json(level: int = logging.WARNING) -> None:
    """Replaces the root logger's handlers, so that libraries log JSON lines, too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
