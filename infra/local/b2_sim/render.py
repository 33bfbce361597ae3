"""Renders keys, buckets and files as B2's JSON objects and headers, and a file's content as a response."""

from typing import Any
from urllib.parse import quote

from flask import Response, request
from werkzeug.http import parse_range_header
from werkzeug.wsgi import wrap_file

from infra.local.b2_sim.keys import Key
from infra.local.b2_sim.simulator import Simulator
from infra.local.b2_sim.storage import FileVersion, LargeFile

MIN_PART_BYTES = 5_000_000  # Backblaze: parts are 5 MB to 5 GB, except the last
RECOMMENDED_PART_BYTES = 100_000_000  # what authorize_account recommends today

Json = dict[str, Any]
NOT_READABLE = {"isClientAuthorizedToRead": False, "value": None}  # the simulator has no locks and no retention


def account(simulator: Simulator, key: Key, token: str, origin: str, api_version: str) -> Json:
    """Returns authorize_account's answer: flat in v2, under apiInfo from v3, `allowed` with a bucket list from v4."""
    bucket_name = simulator.settings.bucket_name if key.bucket_id else None
    limits: Json = {"capabilities": sorted(key.capabilities), "namePrefix": key.name_prefix}
    one_bucket: Json = {"bucketId": key.bucket_id, "bucketName": bucket_name, **limits}
    buckets = [{"id": key.bucket_id, "name": bucket_name}] if key.bucket_id else None
    storage: Json = {
        "apiUrl": origin,
        "downloadUrl": origin,
        "s3ApiUrl": origin,
        "absoluteMinimumPartSize": MIN_PART_BYTES,
        "recommendedPartSize": RECOMMENDED_PART_BYTES,
    }
    who: Json = {"accountId": simulator.account_id, "authorizationToken": token}
    if api_version == "v2":
        return who | storage | {"allowed": one_bucket}
    expires_ms = int(key.expires_at * 1000) if key.expires_at else None
    allowed = one_bucket if api_version == "v3" else {"allowed": {"buckets": buckets, **limits}}
    storage |= {"infoType": "storageApi", **allowed}
    return who | {"apiInfo": {"storageApi": storage}, "applicationKeyExpirationTimestamp": expires_ms}


def bucket(simulator: Simulator) -> Json:
    """Returns the bucket as list_buckets shows it."""
    return {
        "accountId": simulator.account_id,
        "bucketId": simulator.bucket_id,
        "bucketName": simulator.settings.bucket_name,
        "bucketType": simulator.settings.bucket_type,
        "bucketInfo": {},
        "corsRules": [],
        "lifecycleRules": [],
        "options": [],
        "revision": 1,
        "defaultServerSideEncryption": NOT_READABLE,
        "fileLockConfiguration": NOT_READABLE,
        "replicationConfiguration": NOT_READABLE,
    }


def file_version(simulator: Simulator, version: FileVersion) -> Json:
    """Returns a file version as uploads, listings and get_file_info show it."""
    return {
        "accountId": simulator.account_id,
        "bucketId": simulator.bucket_id,
        "action": version.action,
        "fileId": version.file_id,
        "fileName": version.name,
        "contentLength": version.size,
        "contentSha1": (version.sha1 or "none") if version.content else None,
        "contentMd5": version.content.md5 if version.content and version.sha1 else None,
        "contentType": version.content_type,
        "fileInfo": version.info,
        "uploadTimestamp": version.uploaded_at_ms,
        "serverSideEncryption": {"algorithm": None, "mode": None},
        "fileRetention": NOT_READABLE,
        "legalHold": NOT_READABLE,
    }


def large_file(simulator: Simulator, large: LargeFile) -> Json:
    """Returns an unfinished large file, as start_large_file answers."""
    return {
        "accountId": simulator.account_id,
        "bucketId": simulator.bucket_id,
        "action": "start",
        "fileId": large.file_id,
        "fileName": large.name,
        "contentLength": 0,
        "contentSha1": None,
        "contentType": large.content_type,
        "fileInfo": large.info,
        "uploadTimestamp": large.started_at_ms,
        "fileRetention": NOT_READABLE,
        "legalHold": NOT_READABLE,
    }


def part(large: LargeFile, number: int) -> Json:
    """Returns one uploaded part."""
    content = large.parts[number]
    return {
        "fileId": large.file_id,
        "partNumber": number,
        "contentLength": content.size,
        "contentSha1": content.sha1,
        "uploadTimestamp": large.started_at_ms,
    }


def application_key(simulator: Simulator, key: Key, *, with_secret: bool) -> Json:
    """Returns a key as create_key (with its secret, shown once) and delete_key answer."""
    rendered: Json = {
        "accountId": simulator.account_id,
        "applicationKeyId": key.key_id,
        "keyName": key.name,
        "capabilities": sorted(key.capabilities),
        "bucketId": key.bucket_id,
        "bucketIds": [key.bucket_id] if key.bucket_id else None,
        "namePrefix": key.name_prefix,
        "expirationTimestamp": int(key.expires_at * 1000) if key.expires_at else None,
        "options": ["s3"],
    }
    return rendered | {"applicationKey": key.secret} if with_secret else rendered


def download_headers(version: FileVersion) -> dict[str, str]:
    """Returns the X-Bz headers of a download by name or id (Backblaze: b2_download_file_by_name)."""
    headers = {
        "X-Bz-File-Id": version.file_id,
        "X-Bz-File-Name": quote(version.name, safe="/"),
        "X-Bz-Content-Sha1": version.sha1 or "none",
        "X-Bz-Upload-Timestamp": str(version.uploaded_at_ms),
    }
    return headers | {f"X-Bz-Info-{name}": quote(text) for name, text in version.info.items()}


def file_response(version: FileVersion, method: str, range_header: str | None) -> Response | None:
    """Returns the answer to GET or HEAD, None when the range cannot be satisfied: the caller answers 416.

    Several ranges, and ranges in other units than bytes, are ignored: the whole file is a valid answer (RFC 9110).
    """
    first, stop = 0, version.size
    asked = parse_range_header(range_header)
    partial = asked is not None and asked.units == "bytes" and len(asked.ranges) == 1
    if partial and asked is not None:
        bounds = asked.range_for_length(version.size)
        if bounds is None:
            return None
        first, stop = bounds
    response = Response(status=206 if partial else 200, content_type=version.content_type)
    if method == "GET" and version.content:
        file = version.content.path.open("rb")
        file.seek(first)
        response.response = wrap_file(request.environ, file)
        response.direct_passthrough = True
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Content-Length"] = str(stop - first)
    if partial:
        response.headers["Content-Range"] = f"bytes {first}-{stop - 1}/{version.size}"
    return response
