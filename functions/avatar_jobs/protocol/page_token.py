"""Page tokens: where the next page begins, signed so that a client can neither forge one nor use another client's."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime

from avatar_jobs.domain import texts
from avatar_jobs.protocol import problem

Position = tuple[datetime, str]


def _signature(secret: str, scope: str, payload: bytes) -> bytes:
    return hmac.new(secret.encode(), b"page:" + scope.encode() + b":" + payload, hashlib.sha256).digest()


def page_token(secret: str, scope: str, position: Position) -> str:
    """Returns the token of the page after a position. scope: client and filters, which must be the same next time."""
    payload = json.dumps([position[0].isoformat(), position[1]], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_signature(secret, scope, payload) + payload).decode().rstrip("=")


def position_of(secrets: Sequence[str], scope: str, token: str) -> Position:
    """Returns the position in a token.

    Raises ApiError validation_error for a token that page_token did not make with one of the secrets and this scope.
    """
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        given, payload = raw[:32], raw[32:]
        matches = [hmac.compare_digest(_signature(secret, scope, payload), given) for secret in secrets]
        if any(matches):
            created_at, job_id = json.loads(payload)
            return datetime.fromisoformat(created_at), job_id
    except (ValueError, binascii.Error):  # not base64, not ASCII
        pass
    raise problem.fault("page_token", "invalid_page_token", texts.PAGE_TOKEN_INVALID)
