"""The settings of the fleet commands: Salad's address and key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SALAD_API = "https://api.salad.com/api/public"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class SettingsError(Exception):
    """A setting is missing or wrong; the message says what to set."""


@dataclass(frozen=True)
class Settings:
    """Salad's address (it ends in /api/public) and our key."""

    url: str
    api_key: str = field(repr=False)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Returns the settings from SALAD_API_URL and SALAD_API_KEY. Raises SettingsError with every fault."""
    url, key = environment.get("SALAD_API_URL") or SALAD_API, environment.get("SALAD_API_KEY", "")
    faults = []
    if not key:
        faults.append("SALAD_API_KEY is not set: make a key in Salad's portal")
    elif not (key.isascii() and key.isprintable() and " " not in key):
        faults.append("SALAD_API_KEY holds characters that no key has")
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    except ValueError:
        is_safe = False
    if not is_safe:
        faults.append("SALAD_API_URL must begin with https://, or name a rehearsal on this machine")
    if faults:
        raise SettingsError("; ".join(faults))
    return Settings(url, key)
