"""Decides a rehearsal's names, ports, URLs, keys and secrets before it starts, and builds its ready line."""

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
    """The random keys and secrets of one rehearsal. api_keys, callback_secrets (`whsec_...`): by client."""

    api_keys: dict[str, str] = field(repr=False)
    callback_secrets: dict[str, str] = field(repr=False)
    salad_api_key: str = field(repr=False)
    report_token_secret: str = field(repr=False)
    b2_key_id: str
    b2_app_key: str = field(repr=False)


@dataclass(frozen=True)
class Ports:
    """The port on 127.0.0.1 of each server. functions: by name, one port for each instance."""

    gateway: int
    salad: int
    b2: int
    media: int
    firestore: int
    scheduler: int
    functions: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before the start. state: a directory that is removed when the rehearsal ends."""

    settings: Settings
    credentials: Credentials
    ports: Ports
    state: Path

    @property
    def api(self) -> str:
        """The API's base URL for apps."""
        return origin(self.ports.gateway)

    @property
    def salad(self) -> str:
        """The Salad simulator's URL without a path."""
        return origin(self.ports.salad)

    @property
    def salad_api(self) -> str:
        """The base URL of Salad's REST API."""
        return f"{self.salad}/api/public"

    @property
    def b2(self) -> str:
        """The B2 simulator's URL: native API, S3 endpoint and download host."""
        return origin(self.ports.b2)

    @property
    def media(self) -> str:
        """The URL of the sample media."""
        return origin(self.ports.media)


def draw_credentials(clients: Iterable[str]) -> Credentials:
    """Returns fresh random credentials for these clients."""
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
    """Returns a secret in Standard Webhooks' form."""
    return "whsec_" + base64.b64encode(raw).decode()


def choose_ports(gateway_port: int, instances: int = 1) -> Ports:
    """Returns a port for each server. gateway_port: the API's, 0 for a free one; instances: of each function but the
    tick, of which there is one, as in the cloud.

    All are reserved, so no two are the same. If a server still finds its port taken, it ends, and then the launcher
    ends, too.
    """
    free = [reserved_port() for _ in range(OTHER_SERVERS + instances * len(FUNCTIONS))]
    gateway, salad, b2, media, firestore, scheduler, *left = (port for port in free if port != gateway_port)
    others = (salad, b2, media, firestore, scheduler)
    counts = {name: 1 if name == "scale_tick" else instances for name in FUNCTIONS}
    functions = {name: tuple(left.pop() for _ in range(count)) for name, count in counts.items()}
    return Ports(gateway_port or gateway, *others, functions)


def ready_line(plan: Plan) -> dict[str, object]:
    """Returns the object of the ready line. Nothing else shows the rehearsal's keys and secrets."""
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
    """Returns the URL of a port on loopback, without a trailing slash."""
    return f"http://127.0.0.1:{port}"
