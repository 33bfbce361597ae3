"""The S3-compatible calls on objects: HEAD, GET and DELETE, path-style, signed with Signature Version 4."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from flask import Response

from infra.local.b2_sim import sigv4
from infra.local.b2_sim.errors import S3Error
from infra.local.b2_sim.keys import Key
from infra.local.b2_sim.native import hide
from infra.local.b2_sim.render import file_response
from infra.local.b2_sim.simulator import Simulator
from infra.local.b2_sim.storage import FileVersion

CAPABILITY = {"HEAD": "readFiles", "GET": "readFiles", "DELETE": "deleteFiles"}
OVERRIDES = {  # Amazon S3 API Reference, GetObject: query names that replace headers of the answer
    "response-content-type": "Content-Type",
    "response-content-disposition": "Content-Disposition",
    "response-cache-control": "Cache-Control",
    "response-content-encoding": "Content-Encoding",
    "response-content-language": "Content-Language",
    "response-expires": "Expires",
}


def object_call(
    simulator: Simulator, request: sigv4.Request, bucket: str, name: str, query: Mapping[str, str], range_: str | None
) -> Response:
    """Answers one call on the object `name`. query: decoded; range_: the Range header. Raises S3Error."""
    _authorize(simulator, request, bucket, name)
    if bucket != simulator.settings.bucket_name:
        raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist.", BucketName=bucket)
    version_id = query.get("versionId")
    if request.method == "DELETE":
        return _delete(simulator, name, version_id)
    version = _find(simulator, name, version_id)
    overrides = {header: query[asked] for asked, header in OVERRIDES.items() if asked in query}
    if overrides and not sigv4.is_signed(request):
        raise S3Error(400, "InvalidRequest", "Anonymous requests may not override response headers.")
    response = file_response(version, request.method, range_)
    if response is None:
        raise S3Error(416, "InvalidRange", "The requested range is not satisfiable", ActualObjectSize=str(version.size))
    response.headers.update(_headers(version) | overrides)
    return response


def _authorize(simulator: Simulator, request: sigv4.Request, bucket: str, name: str) -> None:
    if not sigv4.is_signed(request):
        if simulator.downloads_are_public and request.method in ("HEAD", "GET"):
            return
        raise S3Error(403, "AccessDenied", "Access Denied")
    now = simulator.clock()
    moment = datetime.fromtimestamp(now, UTC)
    key_id = sigv4.verify(request, lambda wanted: _secret(simulator, wanted, now), simulator.settings.region, moment)
    key: Key | None = simulator.keys.find(key_id, now)
    if key is None or not key.may(CAPABILITY[request.method], name):
        raise S3Error(403, "AccessDenied", "Access Denied")


def _secret(simulator: Simulator, key_id: str, now: float) -> str | None:
    key = simulator.keys.find(key_id, now)
    return key.secret if key else None


def _find(simulator: Simulator, name: str, version_id: str | None) -> FileVersion:
    storage = simulator.storage
    version = storage.newest(name) if version_id is None else storage.version(version_id)
    if version is None or version.name != name or version.content is None:
        raise S3Error(404, "NoSuchKey", "The specified key does not exist.", Key=name)
    return version


def _delete(simulator: Simulator, name: str, version_id: str | None) -> Response:
    """Deletes the given version; without one B2 only adds a hide marker."""
    if version_id is None:
        marker = hide(simulator, name) if simulator.storage.newest(name) else None
        headers = {"x-amz-delete-marker": "true", "x-amz-version-id": marker.file_id} if marker else {}
        return Response(status=204, headers=headers)
    version = simulator.storage.version(version_id)
    if version is not None and version.name == name:
        simulator.storage.remove(version_id)
    return Response(status=204, headers={"x-amz-version-id": version_id})


def _headers(version: FileVersion) -> dict[str, str]:
    uploaded = datetime.fromtimestamp(version.uploaded_at_ms // 1000, UTC)
    headers = {
        "ETag": f'"{version.content.md5 if version.content else ""}"',
        "Last-Modified": format_datetime(uploaded, usegmt=True),
        "x-amz-version-id": version.file_id,
    }
    return headers | {f"x-amz-meta-{name}": text for name, text in version.info.items()}
