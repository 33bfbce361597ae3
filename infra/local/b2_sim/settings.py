"""Reads the simulator's settings from an environment. Only this module knows their names and defaults."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{4,61}[a-z0-9]")  # Backblaze: 6-63 of a-z, 0-9 and hyphen
BUCKET_TYPES = ("allPrivate", "allPublic")
MAX_TOKEN_SEC = 24 * 3600  # Backblaze: an account authorization token is valid for at most 24 hours
DEFAULT_REGION = "us-west-004"  # one of B2's real region names, so that signatures' scopes look real


class SettingsError(Exception):
    """Some settings are missing or wrong; the message names each on a line of its own."""


@dataclass(frozen=True)
class Settings:
    """The simulator's settings.

    port: 0 for a free one; key_id, app_key: the master key; bucket_type: allPrivate (downloads by name need a token) or
    allPublic; directory: for file contents, created when missing; token_sec: lifetime of an account token in seconds.
    """

    port: int
    key_id: str
    app_key: str = field(repr=False)
    bucket_name: str
    bucket_type: str
    region: str
    directory: Path
    token_sec: int


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Returns the settings. Raises SettingsError that names all faults.

    Required: B2_KEY_ID, B2_APP_KEY, B2_BUCKET_NAME, DATA_DIR. Optional: PORT (0), B2_BUCKET_TYPE (allPrivate),
    B2_REGION (us-west-004), B2_TOKEN_SEC (86400).
    """
    faults = [f"{name} is missing" for name in _REQUIRED if not environment.get(name)]
    port = environment.get("PORT", "0")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        faults.append(f"PORT must be 0-65535, not {port!r}")
    token_sec = environment.get("B2_TOKEN_SEC", str(MAX_TOKEN_SEC))
    if not token_sec.isascii() or not token_sec.isdigit() or not 1 <= int(token_sec) <= MAX_TOKEN_SEC:
        faults.append(f"B2_TOKEN_SEC must be 1-{MAX_TOKEN_SEC}, not {token_sec!r}")
    bucket_name = environment.get("B2_BUCKET_NAME", "")
    if bucket_name and not BUCKET_NAME.fullmatch(bucket_name):
        faults.append(f"B2_BUCKET_NAME must be 6-63 of a-z, 0-9 and '-', not {bucket_name!r}")
    bucket_type = environment.get("B2_BUCKET_TYPE", "allPrivate")
    if bucket_type not in BUCKET_TYPES:
        faults.append(f"B2_BUCKET_TYPE must be one of {', '.join(BUCKET_TYPES)}, not {bucket_type!r}")
    if faults:
        raise SettingsError("\n".join(faults))
    return Settings(
        port=int(port),
        key_id=environment["B2_KEY_ID"],
        app_key=environment["B2_APP_KEY"],
        bucket_name=bucket_name,
        bucket_type=bucket_type,
        region=environment.get("B2_REGION", DEFAULT_REGION),
        directory=Path(environment["DATA_DIR"]),
        token_sec=int(token_sec),
    )


_REQUIRED = ("B2_KEY_ID", "B2_APP_KEY", "B2_BUCKET_NAME", "DATA_DIR")
