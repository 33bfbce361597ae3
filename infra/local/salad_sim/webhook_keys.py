"""Draws and rotates the keys that sign webhooks, and computes the signatures."""

import base64
import hashlib
import hmac
import secrets

from infra.local.salad_sim.world import SecretKey, World

KEY_BYTES = 32  # the width of SHA-256, and the shortest that the file's pattern allows in base64


def drawn() -> SecretKey:
    """Returns a new random key."""
    return SecretKey(text=base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())


def current(world: World) -> str:
    """Returns the current key, base64."""
    with world.changed:
        return _current(world)[1].text


def rotate(world: World, rotation_sec: float) -> str:
    """Draws a new current key; the former one also signs for rotation_sec seconds. Returns the new key, base64."""
    with world.changed:
        until = world.clock.monotonic() + rotation_sec
        number, key = _current(world)
        world.webhook_keys[number] = SecretKey(text=key.text, expires_at=until)
        world.webhook_keys[str(int(number) + 1)] = drawn()
        return current(world)


def in_force(world: World) -> list[str]:
    """Returns all keys that sign now, the current one first."""
    with world.changed:
        now = world.clock.monotonic()
        for number, key in list(world.webhook_keys.items()):
            if key.expires_at is not None and key.expires_at <= now:
                del world.webhook_keys[number]
        return [key.text for key in reversed(list(world.webhook_keys.values()))]


def signature(key: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """Returns a Standard Webhooks signature of `id.timestamp.body`. key: base64; timestamp: seconds since 1970."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    digest = hmac.new(base64.b64decode(key), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _current(world: World) -> tuple[str, SecretKey]:
    return list(world.webhook_keys.items())[-1]
