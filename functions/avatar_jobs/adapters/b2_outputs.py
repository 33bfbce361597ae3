"""The bucket of finished videos on Backblaze B2's S3-compatible endpoint; boto3 is imported only when it is used."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.ports import StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LINK_LIFETIME_SEC = 3600  # the contract's: long enough to download, short enough that a leaked link ages
TIMEOUT_SEC = 4.0  # a look at one file; the webhook that waits for it has 10 s in Salad's eyes


class B2Outputs:
    """Fills the OutputStore port. endpoint: https://s3.<region>.backblazeb2.com; download_url: the plain file host;
    public: links are plain file URLs instead of presigned ones."""

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
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            head = self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            status = _status(error.response)
            if status == 404:
                return None
            raise ProviderError(
                f"the bucket answered {status} to a look at one file",
                status=status,
                retryable=True,
                may_have_happened=False,
            ) from error
        except BotoCoreError as error:
            raise ProviderError(
                f"the bucket cannot be reached ({type(error).__name__})",
                status=None,
                retryable=True,
                may_have_happened=False,
            ) from error
        return StoredObject(size_bytes=head["ContentLength"])

    def link(self, key: str, now: datetime) -> str:
        """See OutputStore.link; botocore signs with its own clock, so `now` only documents the port."""
        if self._public:
            return f"{self._download_url}/file/{quote(self._bucket)}/{quote(key)}"
        return self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=LINK_LIFETIME_SEC
        )


def _status(response: Any) -> int:
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
