"""Stores application keys and their tokens, and decides what a key may do."""

import hmac
import secrets
import threading
from collections.abc import MutableMapping
from dataclasses import dataclass, field

from infra.local.b2_sim.errors import NativeError
from infra.local.kept import KeptFile

# B2 gives these to no key that is limited to a bucket
ACCOUNT_CAPABILITIES = frozenset({"listKeys", "writeKeys", "deleteKeys"})
CAPABILITIES = ACCOUNT_CAPABILITIES | frozenset(
    {"listBuckets", "listFiles", "readFiles", "shareFiles", "writeFiles", "deleteFiles", "readBuckets"}
)


@dataclass(frozen=True)
class Key:
    """An application key. bucket_id, name_prefix: limits, None for no limit; expires_at: seconds since the epoch."""

    key_id: str
    secret: str = field(repr=False)
    name: str
    capabilities: frozenset[str]
    bucket_id: str | None = None
    name_prefix: str | None = None
    expires_at: float | None = None

    def may(self, capability: str, file_name: str | None = None) -> bool:
        """Returns whether the key grants the capability, for one file if it is named."""
        if capability not in self.capabilities:
            return False
        return file_name is None or not self.name_prefix or file_name.startswith(self.name_prefix)


@dataclass(frozen=True)
class UploadToken:
    """An upload URL's permission: small files (large_file_id None), or the parts of one large file."""

    key_id: str
    large_file_id: str | None


class KeyRing:
    """All keys and tokens of the account; safe for threads. Times are seconds since the epoch."""

    def __init__(self, master: Key, token_sec: float, kept: KeptFile) -> None:
        self._token_sec = token_sec
        self._lock = threading.Lock()
        self._keys: MutableMapping[str, Key] = kept.table("keys")
        self._accounts: MutableMapping[str, tuple[str, float]] = kept.table("account_tokens")
        self._uploads: MutableMapping[str, UploadToken] = kept.table("upload_tokens")
        self._keys[master.key_id] = master

    def add(self, key: Key) -> None:
        """Stores a new key."""
        with self._lock:
            self._keys[key.key_id] = key

    def remove(self, key_id: str) -> Key | None:
        """Removes a key, which makes its tokens invalid. Returns the key, None when unknown."""
        with self._lock:
            return self._keys.pop(key_id, None)

    def living(self, now: float) -> list[Key]:
        """Returns every key that has not expired, oldest first."""
        with self._lock:
            return [key for key in self._keys.values() if key.expires_at is None or now < key.expires_at]

    def find(self, key_id: str, now: float) -> Key | None:
        """Returns the key unless it is unknown or has expired."""
        with self._lock:
            key = self._keys.get(key_id)
        return None if key is None or (key.expires_at is not None and now >= key.expires_at) else key

    def authorize_account(self, key_id: str, secret: str, now: float) -> tuple[Key, str]:
        """Returns the key and a new account token. Raises NativeError 401 for a wrong id or secret."""
        key = self.find(key_id, now)
        if key is None or not hmac.compare_digest(key.secret.encode(), secret.encode()):
            raise NativeError(401, "unauthorized", "invalid applicationKeyId or applicationKey")
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._accounts[token] = (key_id, now + self._token_sec)
        return key, token

    def key_of_account_token(self, token: str, now: float) -> Key:
        """Returns the token's key. Raises NativeError 401 for an invalid or expired token."""
        with self._lock:
            key_id, expires_at = self._accounts.get(token, ("", 0.0))
        key = self.find(key_id, now)
        if key is None:
            raise NativeError(401, "bad_auth_token", "Invalid authorization token")
        if now >= expires_at:
            raise NativeError(401, "expired_auth_token", "Authorization token has expired")
        return key

    def issue_upload_token(self, key: Key, large_file_id: str | None) -> str:
        """Returns a token for one upload URL."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._uploads[token] = UploadToken(key.key_id, large_file_id)
        return token

    def upload_token(self, token: str, now: float) -> tuple[Key, UploadToken]:
        """Returns the token's key and what the token allows. Raises NativeError 401 when either is invalid."""
        with self._lock:
            upload = self._uploads.get(token)
        key = self.find(upload.key_id, now) if upload else None
        if upload is None or key is None:
            raise NativeError(401, "bad_auth_token", "Invalid upload authorization token")
        return key, upload
