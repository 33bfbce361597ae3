"""The bucket of finished videos, on Backblaze B2's S3-compatible endpoint. boto3 is imported on first use."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.outside.timed_call import TimedCall
from avatar_jobs.ports.storage import StoredObject
from avatar_jobs.protocol.presigned_link import presigned_link

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

# An hour to download in, which is what apps are promised; the ten minutes that a link may be old when it is given
# (services/queries/job_view.py); and five for clocks that differ. A leaked link soon ends.
LINK_LIFETIME_SEC = 3600 + 600 + 300
TIMEOUT_SEC = 4.0  # for one request; Salad gives the webhook that waits for it 10 s
FIND_SEC = 8.5  # by the wall clock, for both tries; a storage that drips outlasts the time-out of a request
DELETE_SEC = 20.0  # by the wall clock, for all versions of a file
MAX_VERSIONS = 16  # three attempts with up to four runs at Salad each upload 12 versions at most; the rest is spare

Answer = TypeVar("Answer")


class B2Outputs:
    """The OutputStore port on Backblaze B2.

    endpoint: https://s3.<region>.backblazeb2.com; download_url: the origin of plain file URLs; public: True returns
    plain file URLs instead of presigned ones.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        region: str,
        key_id: str,
        app_key: str,
        bucket: str,
        download_url: str,
        public: bool,
    ) -> None:
        self._endpoint = endpoint
        self._region = region
        self._key_id = key_id
        self._app_key = app_key
        self._bucket = bucket
        self._download_url = download_url.rstrip("/")
        self._public = public
        self._opened: S3Client | None = None

    @property
    def _client(self) -> "S3Client":
        if self._opened is None:
            import boto3
            from botocore.config import Config

            self._opened = boto3.client(
                "s3",
                endpoint_url=self._endpoint,
                region_name=self._region,
                aws_access_key_id=self._key_id,
                aws_secret_access_key=self._app_key,
                config=Config(
                    signature_version="s3v4",
                    s3={"addressing_style": "path"},
                    connect_timeout=TIMEOUT_SEC,
                    read_timeout=TIMEOUT_SEC,
                    retries={"total_max_attempts": 2, "mode": "standard"},
                ),
            )
        return self._opened

    def find(self, key: str) -> StoredObject | None:
        """See OutputStore.find."""

        def find() -> StoredObject | None:
            head = self._head(key)
            return None if head is None else StoredObject(size_bytes=head["ContentLength"])

        return self._in_time(FIND_SEC, find)

    def delete(self, key: str) -> None:
        """See OutputStore.delete.

        B2 keeps every version, and a DELETE without a version id only hides the file (Backblaze's documentation of its
        S3-compatible API). So the newest version is deleted by its id until none is left.
        """
        self._in_time(DELETE_SEC, lambda: self._delete_versions(key))

    def _delete_versions(self, key: str) -> None:
        for _ in range(MAX_VERSIONS):
            head = self._head(key)
            if head is None:
                return
            self._delete_version(key, head.get("VersionId"))
        raise ProviderError(
            f"the file still exists after {MAX_VERSIONS} of its versions were deleted",
            status=None,
            retryable=True,
            may_have_happened=True,
        )

    def link(self, key: str, signed_at: datetime) -> str:
        """See OutputStore.link."""
        if self._public:
            return f"{self._download_url}/file/{quote(self._bucket)}/{quote(key)}"
        return presigned_link(
            endpoint=self._endpoint,
            region=self._region,
            bucket=self._bucket,
            name=key,
            key_id=self._key_id,
            app_key=self._app_key,
            signed_at=signed_at,
            seconds=LINK_LIFETIME_SEC,
        )

    def _in_time(self, limit_sec: float, work: Callable[[], Answer]) -> Answer:
        """Does the work within the time. Raises ProviderError for every fault of the storage and of botocore."""
        _ = self._client  # made before the clock runs: to load botocore is no fault of the storage
        try:
            return TimedCall[Answer](limit_sec).run(work)
        except ProviderError:
            raise
        except Exception as error:  # botocore passes on what its parsers raise for an answer that is no S3's
            raise ProviderError(
                f"the bucket gave no usable answer ({type(error).__name__})",
                status=None,
                retryable=True,
                may_have_happened=True,
            ) from error

    def _head(self, key: str) -> "HeadObjectOutputTypeDef | None":
        return _asked("a HEAD of one file", lambda: self._client.head_object(Bucket=self._bucket, Key=key))

    def _delete_version(self, key: str, version: str | None) -> None:
        """Deletes one version. version: None where the storage keeps no versions."""

        def delete() -> object:
            if version is None:
                return self._client.delete_object(Bucket=self._bucket, Key=key)
            return self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=version)

        _asked("a DELETE of one file", delete)


def _asked(what: str, call: Callable[[], Answer]) -> Answer | None:
    """Makes one call. Returns None when the storage says that the file does not exist. Raises ProviderError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return call()
    except ClientError as error:
        status = _status(error.response)
        if status == 404:
            return None
        raise ProviderError(
            f"the bucket answered {status} to {what}",
            status=status,
            retryable=True,  # also for a refused key: an operator must repair it, and the job can then go on
            may_have_happened=not 400 <= status < 500,
        ) from error
    except BotoCoreError as error:
        raise ProviderError(
            f"the bucket cannot be reached ({type(error).__name__})",
            status=None,
            retryable=True,
            may_have_happened=True,
        ) from error


def _status(response: Any) -> int:
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
