"""Draws the keys and secrets of one rehearsal; none is ever written to a file or a log."""

import base64
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

SECRET_BYTES = 32  # Standard Webhooks: 24 to 64 bytes; the report tokens ask for at least 32 characters


@dataclass(frozen=True)
class Credentials:
    """api_keys and callback_secrets (`whsec_...`) are by client."""

    api_keys: dict[str, str]
    callback_secrets: dict[str, str]
    salad_api_key: str
    report_token_secret: str
    b2_key_id: str
    b2_app_key: str


def draw_credentials(clients: Iterable[str]) -> Credentials:
    """Gives fresh random credentials for these clients."""
    names = tuple(clients)
    return Credentials(
        api_keys={name: secrets.token_urlsafe(SECRET_BYTES) for name in names},
        callback_secrets={name: webhook_secret(secrets.token_bytes(SECRET_BYTES)) for name in names},
        salad_api_key=f"salad_{secrets.token_urlsafe(SECRET_BYTES)}",
        report_token_secret=secrets.token_urlsafe(SECRET_BYTES),
        b2_key_id=f"004{secrets.token_hex(11)}",  # B2's key ids: 25 characters, the cluster's number first
        b2_app_key=f"K004{secrets.token_urlsafe(20)}",
    )


def webhook_secret(raw: bytes) -> str:
    """Gives a secret in Standard Webhooks' form."""
    return "whsec_" + base64.b64encode(raw).decode()
