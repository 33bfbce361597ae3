"""Decides everything about one rehearsal before it starts: names, ports, origins, keys and secrets, the ready line."""

import base64
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.ports import reserved_port
from infra.local.stack.settings import Settings
from infra.tools.package import FUNCTIONS

ORGANIZATION, PROJECT, QUEUE = "rehearsal", "avatar", "avatar-jobs"
CONTAINER_GROUP, SCALED_GROUP = "avatar-workers", "avatar-scaled"
BUCKET, PREFIX, REGION = "avatar-outputs", "musetalk/outputs/", "us-west-004"
FIRESTORE_PROJECT, FIRESTORE_DATABASE = "rehearsal", "(default)"
OTHER_SERVERS = 6  # gateway, salad, b2, media, firestore, the scheduler's API
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


@dataclass(frozen=True)
class Ports:
    """One port on 127.0.0.1 for each server; functions by name."""

    gateway: int
    salad: int
    b2: int
    media: int
    firestore: int
    scheduler: int
    functions: dict[str, int]


@dataclass(frozen=True)
class Plan:
    """All that is known before anything is started; state is a directory that ends with the rehearsal."""

    settings: Settings
    credentials: Credentials = field(repr=False)
    ports: Ports
    state: Path

    @property
    def api(self) -> str:
        """The apps' base URL."""
        return origin(self.ports.gateway)

    @property
    def salad(self) -> str:
        """The Salad simulator, without a path."""
        return origin(self.ports.salad)

    @property
    def salad_api(self) -> str:
        """Salad's REST API."""
        return f"{self.salad}/api/public"

    @property
    def b2(self) -> str:
        """B2: realm, S3 endpoint and download host in one."""
        return origin(self.ports.b2)

    @property
    def media(self) -> str:
        """The sample media."""
        return origin(self.ports.media)


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


def choose_ports(gateway_port: int) -> Ports:
    """Gives a port for each server, the gateway's as asked (0: a free one).

    All are reserved, so no two are the same. Should a server still find its port taken, it ends, and the launcher with
    it, instead of running half.
    """
    free = [reserved_port() for _ in range(OTHER_SERVERS + len(FUNCTIONS))]
    gateway, salad, b2, media, firestore, scheduler, *functions = (port for port in free if port != gateway_port)
    others = (salad, b2, media, firestore, scheduler)
    return Ports(gateway_port or gateway, *others, dict(zip(FUNCTIONS, functions, strict=False)))


def ready_line(plan: Plan) -> dict[str, object]:
    """Gives the line's object; the only place where the rehearsal's keys and secrets are shown."""
    credentials = plan.credentials
    return {
        "event": "ready",
        "api": plan.api,
        "api_keys": credentials.api_keys,
        "callback_secrets": credentials.callback_secrets,
        "callback_secret": credentials.callback_secrets[plan.settings.clients[0]],
        "salad": plan.salad,
        "salad_api_key": credentials.salad_api_key,
        "organization": ORGANIZATION,
        "project": PROJECT,
        "queue": QUEUE,
        "b2": plan.b2,
        "media": plan.media,
    }


def origin(port: int) -> str:
    """Gives the URL of a port on loopback, without a trailing slash."""
    return f"http://127.0.0.1:{port}"
