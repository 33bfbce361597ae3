"""Reads the simulator's settings from its environment. Only this module knows their names."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar


class SettingsError(Exception):
    """Some settings are missing or wrong; the message names all of them."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The simulator's settings. Times are in seconds; port 0 means a free one."""

    port: int
    grpc_port: int
    api_key: str = field(repr=False)
    organization: str
    project: str
    rate_limit: int  # REST calls a minute for one key
    rate_limit_retry_after: bool  # whether a 429 has Retry-After; Salad documents nothing
    start_delay_sec: float  # from allocating to running
    stop_grace_sec: float  # from SIGTERM to SIGKILL
    stream_grace_sec: float  # how long a stream may be closed during a job
    heartbeat_sec: float
    webhook_timeout_sec: float
    webhook_retry_sec: tuple[float, ...]  # pauses between tries: one more try than pauses
    webhook_secret_key: str | None = field(repr=False)  # base64; drawn at random when None
    webhook_rotation_sec: float  # how long the former key also signs after a rotation
    nodes: int  # number of machines; further replicas stay allocating
    replicas_quota: int
    worker_command: tuple[str, ...]
    queue_worker_command: tuple[str, ...]
    queue_worker_poll_sec: float  # for the stand-in only
    queue_worker_log_level: str
    base_environment: Mapping[str, str]
    state_dir: Path | None  # where the state is kept; None: in memory alone


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Returns the settings. Raises SettingsError that names every missing or wrong variable."""
    reader = _Reader(environment)
    settings = Settings(
        port=reader.read("SALAD_SIM_PORT", int, environment.get("PORT", "0")),
        grpc_port=reader.read("SALAD_SIM_GRPC_PORT", int, "0"),
        api_key=reader.read("SALAD_SIM_API_KEY", _text, None),
        organization=reader.read("SALAD_SIM_ORGANIZATION", _text, "rehearsal"),
        project=reader.read("SALAD_SIM_PROJECT", _text, "avatar"),
        rate_limit=reader.read("SALAD_SIM_RATE_LIMIT", _positive_int, "240"),
        rate_limit_retry_after=reader.read("SALAD_SIM_RATE_LIMIT_RETRY_AFTER", _flag, "true"),
        start_delay_sec=reader.read("SALAD_SIM_START_DELAY_SEC", _seconds, "0.3"),
        stop_grace_sec=reader.read("SALAD_SIM_STOP_GRACE_SEC", _seconds, "3"),
        # the queue worker asks for readiness every 5 s and may fail twice before it opens its stream again
        stream_grace_sec=reader.read("SALAD_SIM_STREAM_GRACE_SEC", _seconds, "15"),
        heartbeat_sec=reader.read("SALAD_SIM_HEARTBEAT_SEC", _seconds, "5"),
        webhook_timeout_sec=reader.read("SALAD_SIM_WEBHOOK_TIMEOUT_SEC", _seconds, "10"),
        webhook_retry_sec=reader.read("SALAD_SIM_WEBHOOK_RETRY_SEC", _pauses, "1,3,9"),
        webhook_secret_key=reader.read("SALAD_SIM_WEBHOOK_SECRET_KEY", str, "") or None,
        webhook_rotation_sec=reader.read("SALAD_SIM_WEBHOOK_ROTATION_SEC", _seconds, "3600"),
        nodes=reader.read("SALAD_SIM_NODES", _positive_int, "16"),
        replicas_quota=reader.read("SALAD_SIM_REPLICAS_QUOTA", _positive_int, "500"),
        worker_command=reader.read("SALAD_SIM_WORKER_COMMAND", _command, f"{sys.executable} -m gpu_worker"),
        queue_worker_command=reader.read("SALAD_QUEUE_WORKER", _queue_worker, ""),
        queue_worker_poll_sec=reader.read("SALAD_SIM_QUEUE_WORKER_POLL_SEC", _seconds, "0.5"),
        queue_worker_log_level=reader.read("SALAD_SIM_QUEUE_WORKER_LOG_LEVEL", _text, "error"),
        base_environment=_base_environment(environment),
        state_dir=reader.read("SALAD_SIM_STATE_DIR", _folder, ""),
    )
    if reader.faults:
        raise SettingsError("; ".join(reader.faults))
    return settings


Value = TypeVar("Value")


class _Reader:
    """Reads variables one by one and collects the faults."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.faults: list[str] = []

    def read(self, name: str, parse: Callable[[str], Value], default: str | None) -> Value:
        """Returns the parsed variable. default: a valid text, None for a required variable."""
        text = self._environment.get(name, default)
        if text is None:
            self.faults.append(f"{name} is missing")
            return parse("1")
        try:
            return parse(text)
        except ValueError as error:
            self.faults.append(f"{name} is not usable: {error}")
            return parse("1" if default is None else default)


def _text(text: str) -> str:
    if not text:
        raise ValueError("it is empty")
    return text


def _positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("it must be at least 1")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 86_400:  # one day: no rehearsal waits longer
        raise ValueError("it must be 0-86400 seconds")
    return number


def _pauses(text: str) -> tuple[float, ...]:
    return tuple(_seconds(part) for part in text.split(",") if part)


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("it must be true or false")
    return text == "true"


def _command(text: str) -> tuple[str, ...]:
    return tuple(shlex.split(_text(text)))


def _queue_worker(path: str) -> tuple[str, ...]:
    """Returns the queue worker's command: the program at path, the stand-in for an empty path."""
    if not path:
        return (sys.executable, "-m", "infra.local.queue_worker")
    if not os.access(path, os.X_OK):
        raise ValueError("there is no executable file at this path")
    return (path,)


def _folder(text: str) -> Path | None:
    return Path(text).resolve() if text else None


def _base_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that each replica inherits: only those with which its programs are found."""
    kept = {name: environment[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in environment}
    return {"PYTHONPATH": str(Path.cwd()), **kept}
