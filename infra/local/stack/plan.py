"""Where everything of one rehearsal is: names, ports, origins and the state directory. Plain data."""

from dataclasses import dataclass, field
from pathlib import Path

from infra.local.stack.credentials import Credentials
from infra.local.stack.settings import Settings

ORGANIZATION, PROJECT, QUEUE = "rehearsal", "avatar", "avatar-jobs"
CONTAINER_GROUP, SCALED_GROUP = "avatar-workers", "avatar-scaled"
BUCKET, PREFIX, REGION = "avatar-outputs", "musetalk/outputs/", "us-west-004"
FIRESTORE_PROJECT, FIRESTORE_DATABASE = "rehearsal", "(default)"


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


def origin(port: int) -> str:
    """Gives the URL of a port on loopback, without a trailing slash."""
    return f"http://127.0.0.1:{port}"
