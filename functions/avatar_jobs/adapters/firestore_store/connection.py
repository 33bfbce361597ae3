"""The connection to Firestore: retries within 5 s, and one kind of error for every failed call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.api_core import exceptions as google_errors
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud import firestore

from avatar_jobs.domain.errors import StorageUnavailableError

# The client library retries for more than a minute by default; a request has 5 s for the store.
TOTAL_SEC = 5.0
TRY_SEC = 2.5  # for one try, so that a connection that hangs leaves time for a second try
TRANSIENT = (
    google_errors.ServiceUnavailable,
    google_errors.DeadlineExceeded,
    google_errors.InternalServerError,
    google_errors.ResourceExhausted,
)


@contextmanager
def unavailable(*, writes: bool = False) -> Iterator[None]:
    """Raises StorageUnavailableError for every failed call inside the block.

    writes: the block sends a change, which Firestore may have stored although its answer is lost; a change that it
    refuses (a 4xx) is certainly not stored.
    """
    try:
        yield
    except google_errors.RetryError as error:
        raise StorageUnavailableError("the store did not answer within 5 s", may_have_written=writes) from error
    except google_errors.GoogleAPICallError as error:
        refused = isinstance(error, google_errors.ClientError)
        raise StorageUnavailableError(
            f"the store refused the call: {error.code or type(error).__name__}", may_have_written=writes and not refused
        ) from error
    # What the libraries below do not translate: an access token that cannot be got, a stream that breaks, a time-out.
    except (google_errors.GoogleAPIError, GoogleAuthError, grpc.RpcError, grpc.FutureTimeoutError, OSError) as error:
        text = f"the store cannot be reached ({type(error).__name__})"
        raise StorageUnavailableError(
            text, may_have_written=writes and not isinstance(error, GoogleAuthError)
        ) from error


class FirestoreConnection:
    """A connection that the three store adapters share.

    client: returns a client; it is called once, on first use.
    """

    def __init__(self, client: Callable[[], firestore.Client]) -> None:
        self._open = client
        self._opened: firestore.Client | None = None

    @property
    def client(self) -> firestore.Client:
        """The client; it is made on first use. Raises StorageUnavailableError when there are no credentials."""
        if self._opened is None:
            with unavailable():
                self._opened = self._open()
        return self._opened

    def limits(self) -> dict[str, Any]:
        """Returns the retry and the time-out of one call, as keyword arguments for the client library."""
        retry = Retry(if_exception_type(*TRANSIENT), initial=0.1, maximum=1.0, timeout=TOTAL_SEC - TRY_SEC)
        return {"retry": retry, "timeout": TRY_SEC}
