"""Asks Cloud Scheduler to run the tick now, with google-cloud-scheduler, which is imported on first use."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.outside.timed_call import TimedCall

if TYPE_CHECKING:
    from google.cloud.scheduler_v1 import CloudSchedulerClient

TIMEOUT_SEC = 2.0  # short, because the cloud may freeze an instance once its answer is sent
LIMIT_SEC = 5.0  # by the wall clock, with the first access token; google-auth waits for that two minutes by itself


class CloudScheduler:
    """The TickScheduler port on Cloud Scheduler.

    job: projects/<project>/locations/<region>/jobs/<name>; api_url: the API's origin; an http one is the rehearsal's,
    which needs no credentials.
    """

    def __init__(self, job: str, api_url: str) -> None:
        self._job = job
        self._api_url = api_url
        self._opened: CloudSchedulerClient | None = None

    def run_tick(self) -> None:
        """See TickScheduler.run_tick."""
        import google.cloud.scheduler_v1  # noqa: F401  its import takes long, and is not a fault of the scheduler

        try:
            TimedCall[object](LIMIT_SEC).run(
                lambda: self._client().run_job(name=self._job, timeout=TIMEOUT_SEC, retry=None)
            )
        except Exception as error:  # google-auth, google-api-core, protobuf, requests: none promises a closed list
            raise ProviderError(
                f"the call to the scheduler failed ({type(error).__name__})",
                status=None,
                retryable=True,
                may_have_happened=True,
            ) from error

    def _client(self) -> "CloudSchedulerClient":
        if self._opened is None:
            from google.auth.credentials import AnonymousCredentials
            from google.cloud.scheduler_v1 import CloudSchedulerClient
            from google.cloud.scheduler_v1.services.cloud_scheduler.transports.rest import CloudSchedulerRestTransport

            parts = urlsplit(self._api_url)
            credentials = AnonymousCredentials() if parts.scheme == "http" else None  # type: ignore[no-untyped-call]
            transport = CloudSchedulerRestTransport(host=parts.netloc, url_scheme=parts.scheme, credentials=credentials)
            self._opened = CloudSchedulerClient(transport=transport)
        return self._opened
