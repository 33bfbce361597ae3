"""Receives uploads, small files and parts of large ones, and checks their SHA-1."""

from typing import IO
from urllib.parse import unquote_plus

from werkzeug.datastructures import Headers

from infra.local.b2_sim import fields, render
from infra.local.b2_sim.errors import NativeError
from infra.local.b2_sim.keys import UploadToken
from infra.local.b2_sim.native import Json, real_content_type
from infra.local.b2_sim.simulator import Simulator
from infra.local.b2_sim.storage import Content, FileVersion

SHA1_HEX_CHARS = 40
HASH_AT_END = "hex_digits_at_end"  # the body's last 40 bytes are its hash (Backblaze: b2_upload_file)
NOT_VERIFIED = "do_not_verify"
MAX_PART_NUMBER = 10_000  # Backblaze: a large file has at most 10000 parts
INFO_PREFIX = "x-bz-info-"


def upload_file(simulator: Simulator, headers: Headers, body: IO[bytes]) -> Json:
    """Stores a file and returns its JSON object. headers: as documented for b2_upload_file. Raises NativeError."""
    name = fields.checked_file_name(unquote_plus(_header(headers, "X-Bz-File-Name")))
    token = _authorized(simulator, headers, name)
    if token.large_file_id is not None:
        raise NativeError(401, "bad_auth_token", "this token is for parts of a large file")
    content, sha1 = _receive(simulator, headers, body)
    info = {
        header.lower().removeprefix(INFO_PREFIX): unquote_plus(text)
        for header, text in headers.items()
        if header.lower().startswith(INFO_PREFIX)
    }
    content_type = real_content_type(_header(headers, "Content-Type"))
    version = FileVersion(
        simulator.new_file_id(), name, "upload", content, content_type, info, simulator.now_ms(), sha1
    )
    return render.file_version(simulator, simulator.storage.add(version))


def upload_part(simulator: Simulator, headers: Headers, body: IO[bytes]) -> Json:
    """Stores one part of the token's large file and returns its JSON object. Raises NativeError."""
    token = _authorized(simulator, headers, None)
    if token.large_file_id is None:
        raise NativeError(401, "bad_auth_token", "this token is for whole files")
    number = _header(headers, "X-Bz-Part-Number")
    if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= MAX_PART_NUMBER:
        raise NativeError(400, "bad_request", f"X-Bz-Part-Number must be 1-{MAX_PART_NUMBER}")
    content, _ = _receive(simulator, headers, body)
    simulator.storage.add_part(token.large_file_id, int(number), content)
    return render.part(simulator.storage.large(token.large_file_id), int(number))


def _authorized(simulator: Simulator, headers: Headers, name: str | None) -> UploadToken:
    key, token = simulator.keys.upload_token(_header(headers, "Authorization"), simulator.clock())
    if not key.may("writeFiles", name):
        raise NativeError(401, "unauthorized", "the key may not write this file")
    return token


def _receive(simulator: Simulator, headers: Headers, body: IO[bytes]) -> tuple[Content, str]:
    """Returns the stored content and its hash. Raises NativeError 400 when the hash is not the announced one."""
    promised = _header(headers, "X-Bz-Content-Sha1")
    length = _header(headers, "Content-Length")
    trailer = SHA1_HEX_CHARS if promised == HASH_AT_END else 0
    if not length.isascii() or not length.isdigit() or int(length) < trailer:
        raise NativeError(400, "bad_request", "Content-Length is required")
    content = simulator.storage.receive(body, int(length) - trailer)
    if trailer:
        promised = body.read(trailer).decode("latin-1")
    expected = promised.removeprefix("unverified:").lower()
    if expected not in (content.sha1, NOT_VERIFIED):
        content.path.unlink()
        raise NativeError(400, "bad_request", f"Sha1 did not match data received: {content.sha1}")
    return content, content.sha1


def _header(headers: Headers, name: str) -> str:
    value = headers.get(name)
    if not value:
        raise NativeError(400, "bad_request", f"header {name} is required")
    return value
