"""One connection to Firestore: every call with its own retry and 5 s in all, every failure the port's one error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from google.api_core import exceptions as google_errors
from google.api_core.retry import Retry, if_exception_type
from google.cloud import firestore

from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.ports.jobs import StoredJob
from avatar_jobs.protocol.stored_job import from_body

# The client's own defaults retry for over a minute when the service is away; a request has 5 s for the store.
TOTAL_SEC = 5.0
TRY_SEC = 2.5  # one try: a stuck connection leaves time for a second one
TRANSIENT = (
    google_errors.ServiceUnavailable,
    google_errors.DeadlineExceeded,
    google_errors.InternalServerError,
    google_errors.ResourceExhausted,
)

JOBS = "jobs"
IDEMPOTENCY = "idempotency"
FLEET_STATE = "fleet/state"
SNAPSHOTS = "snapshots"


@contextmanager
def unavailable() -> Iterator[None]:
    """Turns what the client library raises for a service that does not answer into the port's one error."""
    try:
        yield
    except google_errors.RetryError as error:
        raise StorageUnavailableError("the store did not answer within 5 s") from error
    except google_errors.GoogleAPICallError as error:
        raise StorageUnavailableError(f"the store refused: {error.code or type(error).__name__}") from error


def stored(snapshot: Any) -> StoredJob:
    """The job in a document, with the update time that its next write must find unchanged."""
    return StoredJob(from_body(snapshot.get("body")), snapshot.update_time.rfc3339())


class FirestoreConnection:
    """client: opens the database on first use."""

    def __init__(self, client: Callable[[], firestore.Client]) -> None:
        self._open = client
        self._opened: firestore.Client | None = None

    @property
    def client(self) -> firestore.Client:
        """The opened client."""
        self._opened = self._opened or self._open()
        return self._opened

    @property
    def jobs(self) -> Any:
        """The collection of jobs."""
        return self.client.collection(JOBS)

    def limits(self) -> dict[str, Any]:
        """The retry and time-out of one call."""
        retry = Retry(if_exception_type(*TRANSIENT), initial=0.1, maximum=1.0, timeout=TOTAL_SEC - TRY_SEC)
        return {"retry": retry, "timeout": TRY_SEC}
