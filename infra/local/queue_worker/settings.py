"""Reads the queue worker's settings: the same variables and defaults as Salad's own program."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from infra.local.queue_worker.logs import LEVELS


class SettingsError(Exception):
    """A variable is wrong; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The queue worker's settings."""

    metadata_uri: str  # without a trailing slash
    service_endpoint: str  # host:port
    service_use_tls: bool
    log_level: str
    poll_sec: float


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Returns the settings. Raises SettingsError."""
    log_level = environment.get("SALAD_LOG_LEVEL", "error")
    if log_level not in LEVELS:
        raise SettingsError(f"SALAD_LOG_LEVEL must be one of {', '.join(LEVELS)}")
    use_tls = environment.get("SALAD_SERVICE_USE_TLS", "true").lower()
    if use_tls not in {"true", "false", "1", "0"}:
        raise SettingsError("SALAD_SERVICE_USE_TLS must be true or false")
    try:
        # Salad's program polls every 5 s; only the stand-in has this variable, for faster rehearsals
        poll_sec = float(environment.get("QUEUE_WORKER_POLL_SEC", "5"))
    except ValueError as error:
        raise SettingsError("QUEUE_WORKER_POLL_SEC must be a number of seconds") from error
    return Settings(
        metadata_uri=environment.get("SALAD_METADATA_URI", "http://169.254.169.254:80").rstrip("/"),
        service_endpoint=environment.get("SALAD_SERVICE_ENDPOINT", "job-queue-worker-api.salad.com:443"),
        service_use_tls=use_tls in {"true", "1"},
        log_level=log_level,
        poll_sec=poll_sec,
    )
