"""Reads fields of the native API's JSON bodies and checks names; a bad one raises NativeError 400 bad_request."""

import re
from typing import Any

from infra.local.b2_sim.errors import NativeError

MAX_NAME_BYTES = 1024  # Backblaze: file names are up to 1024 bytes of UTF-8
KEY_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")  # Backblaze: letters, digits and "-", at most 100 characters
MAX_SEGMENT_BYTES = 250  # Backblaze: at most 250 bytes between two slashes

Json = dict[str, Any]


def text(body: Json, name: str) -> str:
    """Returns a required, non-empty text field."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise NativeError(400, "bad_request", f"required field {name} is missing")
    return value


def optional_text(body: Json, name: str) -> str | None:
    """Returns a text field, None when it is absent, null or empty."""
    value = body.get(name)
    if value is None or value == "":
        return None
    return text(body, name)


def whole_number(body: Json, name: str, default: int, low: int, high: int) -> int:
    """Returns an integer field within its bounds, the default when it is absent or null."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise NativeError(400, "bad_request", f"{name} must be an integer from {low} to {high}")
    return value


def texts(body: Json, name: str) -> list[str]:
    """Returns a required list of texts."""
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise NativeError(400, "bad_request", f"{name} must be a list of strings")
    return value


def checked_key_name(name: str) -> str:
    """Returns the key's name if B2 would accept it."""
    if not KEY_NAME.fullmatch(name):
        raise NativeError(400, "bad_request", "keyName must be 1-100 letters, digits and '-'")
    return name


def checked_file_name(name: str) -> str:
    """Returns the file's name if B2 would accept it, by the rules of Backblaze's page on file names."""
    encoded = name.encode()
    segments = encoded.split(b"/")
    broken = (
        not 1 <= len(encoded) <= MAX_NAME_BYTES
        or any(character < " " or character == "\x7f" for character in name)
        or b"" in segments
        or max(len(segment) for segment in segments) > MAX_SEGMENT_BYTES
    )
    if broken:
        raise NativeError(400, "bad_request", "Bad file name")
    return name
