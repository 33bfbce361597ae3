"""Reads the gateway's settings from an environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

# the functions behind the gateway; only the scheduler calls scale_tick
Upstream = Literal["submit_job", "job_status", "salad_webhook"]
UPSTREAMS: Final[tuple[Upstream, ...]] = ("submit_job", "job_status", "salad_webhook")


class SettingsError(Exception):
    """Some settings are missing or wrong; the message names each on a line of its own."""


@dataclass(frozen=True)
class Address:
    """Host and port of a function."""

    host: str
    port: int


@dataclass(frozen=True)
class Settings:
    """The gateway's settings. port: 0 takes a free one; upstreams: each function's instances.

    timeout_sec: longest wait for a function's bytes; start_sec: longest wait for an instance while none listens.
    """

    port: int
    upstreams: Mapping[Upstream, tuple[Address, ...]]
    timeout_sec: float
    start_sec: float


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Returns the settings. Raises SettingsError that names all faults.

    Required: SUBMIT_JOB_URL, JOB_STATUS_URL, SALAD_WEBHOOK_URL (`http://host:port`, several with commas between).
    Optional: PORT (0), UPSTREAM_TIMEOUT_SEC (60), UPSTREAM_START_SEC (0).
    """
    faults: list[str] = []
    upstreams: dict[Upstream, tuple[Address, ...]] = {}
    for upstream in UPSTREAMS:
        name = f"{upstream.upper()}_URL"
        addresses = [_address(url) for url in environment.get(name, "").split(",")]
        if None in addresses:
            faults.append(f"{name} must be http://host:port, not {environment.get(name)!r}")
        upstreams[upstream] = tuple(address for address in addresses if address is not None)
    port = environment.get("PORT", "0")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        faults.append(f"PORT must be 0-65535, not {port!r}")
    timeout = environment.get("UPSTREAM_TIMEOUT_SEC", "60")  # Google's functions answer within 60 s by default
    start = environment.get("UPSTREAM_START_SEC", "0")
    if not start.replace(".", "", 1).isdecimal():
        faults.append(f"UPSTREAM_START_SEC must be a number of seconds, not {start!r}")
    if not timeout.replace(".", "", 1).isdecimal() or float(timeout) <= 0:
        faults.append(f"UPSTREAM_TIMEOUT_SEC must be a number of seconds, not {timeout!r}")
    if faults:
        raise SettingsError("\n".join(faults))
    return Settings(int(port), upstreams, float(timeout), float(start))


def _address(url: str) -> Address | None:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return None
    usable = parts.scheme == "http" and parts.hostname and port and not parts.path.strip("/")
    return Address(parts.hostname, port) if usable and parts.hostname and port else None
