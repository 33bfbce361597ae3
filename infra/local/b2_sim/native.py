"""The operations of B2's native JSON API. Each takes a Call and returns the answer's JSON object."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from infra.local.b2_sim import fields, render
from infra.local.b2_sim.errors import NativeError
from infra.local.b2_sim.keys import ACCOUNT_CAPABILITIES, CAPABILITIES, Key
from infra.local.b2_sim.simulator import Simulator
from infra.local.b2_sim.storage import FileVersion, LargeFile

MAX_LISTED = 10_000  # Backblaze: maxFileCount is at most 10000, 100 by default
DEFAULT_LISTED = 100
MAX_LISTED_KEYS = 10_000  # Backblaze: maxKeyCount is at most 10000, 100 by default
MAX_KEY_SEC = 1000 * 24 * 3600  # Backblaze: validDurationInSeconds is at most 1000 days

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One authorized call. origin: this server's URL, which upload URLs begin with."""

    simulator: Simulator
    key: Key
    body: Json
    origin: str

    def require(self, capability: str, file_name: str | None = None) -> None:
        """Raises NativeError 401 unless the key grants the capability for that file."""
        if not self.key.may(capability, file_name):
            raise NativeError(401, "unauthorized", f"the key lacks {capability} for this")

    def require_bucket(self) -> None:
        """Raises NativeError 400 unless the body names our bucket."""
        if fields.text(self.body, "bucketId") != self.simulator.bucket_id:
            raise NativeError(400, "bad_bucket_id", "Invalid bucketId")


def list_buckets(call: Call) -> Json:
    """b2_list_buckets, with its optional filters by id and name."""
    call.require("listBuckets")
    bucket_id = fields.optional_text(call.body, "bucketId")
    bucket_name = fields.optional_text(call.body, "bucketName")
    if call.key.bucket_id and bucket_id is None and bucket_name is None:
        raise NativeError(401, "unauthorized", "a key that is limited to a bucket must name it")
    ours = bucket_id in (None, call.simulator.bucket_id) and bucket_name in (None, call.simulator.settings.bucket_name)
    return {"buckets": [render.bucket(call.simulator)] if ours else []}


def get_upload_url(call: Call) -> Json:
    """b2_get_upload_url."""
    call.require("writeFiles")
    call.require_bucket()
    token = call.simulator.keys.issue_upload_token(call.key, None)
    upload_url = f"{call.origin}/b2api/v4/b2_upload_file/{call.simulator.bucket_id}"
    return {"bucketId": call.simulator.bucket_id, "uploadUrl": upload_url, "authorizationToken": token}


def get_upload_part_url(call: Call) -> Json:
    """b2_get_upload_part_url."""
    large = call.simulator.storage.large(fields.text(call.body, "fileId"))
    call.require("writeFiles", large.name)
    token = call.simulator.keys.issue_upload_token(call.key, large.file_id)
    upload_url = f"{call.origin}/b2api/v4/b2_upload_part/{large.file_id}"
    return {"fileId": large.file_id, "uploadUrl": upload_url, "authorizationToken": token}


def start_large_file(call: Call) -> Json:
    """b2_start_large_file."""
    name = fields.checked_file_name(fields.text(call.body, "fileName"))
    call.require("writeFiles", name)
    call.require_bucket()
    simulator = call.simulator
    content_type = real_content_type(fields.text(call.body, "contentType"))
    info = dict(call.body.get("fileInfo") or {})
    large = LargeFile(simulator.new_file_id(), name, content_type, info, simulator.now_ms())
    simulator.storage.start_large(large)
    return render.large_file(simulator, large)


def finish_large_file(call: Call) -> Json:
    """b2_finish_large_file."""
    file_id = fields.text(call.body, "fileId")
    call.require("writeFiles", call.simulator.storage.large(file_id).name)
    version = call.simulator.storage.finish_large(file_id, fields.texts(call.body, "partSha1Array"))
    return render.file_version(call.simulator, version)


def cancel_large_file(call: Call) -> Json:
    """b2_cancel_large_file."""
    file_id = fields.text(call.body, "fileId")
    call.require("writeFiles", call.simulator.storage.large(file_id).name)
    large = call.simulator.storage.cancel_large(file_id)
    return {
        "accountId": call.simulator.account_id,
        "bucketId": call.simulator.bucket_id,
        "fileId": large.file_id,
        "fileName": large.name,
    }


def list_parts(call: Call) -> Json:
    """b2_list_parts; always one page."""
    large = call.simulator.storage.large(fields.text(call.body, "fileId"))
    call.require("writeFiles", large.name)
    return {"parts": [render.part(large, number) for number in sorted(large.parts)], "nextPartNumber": None}


def list_unfinished_large_files(call: Call) -> Json:
    """b2_list_unfinished_large_files; always one page."""
    prefix = fields.optional_text(call.body, "namePrefix") or ""
    call.require("listFiles", prefix)
    call.require_bucket()
    found = [large for large in call.simulator.storage.unfinished() if large.name.startswith(prefix)]
    return {"files": [render.large_file(call.simulator, large) for large in found], "nextFileId": None}


def list_file_names(call: Call) -> Json:
    """b2_list_file_names: the newest version of each name that is not hidden."""
    newest: dict[str, FileVersion] = {}
    for version in _listed(call):
        newest.setdefault(version.name, version)
    start = fields.optional_text(call.body, "startFileName") or ""
    shown = [item for item in newest.values() if item.action == "upload" and item.name >= start]
    count = fields.whole_number(call.body, "maxFileCount", DEFAULT_LISTED, 1, MAX_LISTED)
    page, rest = shown[:count], shown[count:]
    files = [render.file_version(call.simulator, version) for version in page]
    return {"files": files, "nextFileName": rest[0].name if rest else None}


def list_file_versions(call: Call) -> Json:
    """b2_list_file_versions: every version, hide markers too."""
    start = fields.optional_text(call.body, "startFileName") or ""
    start_id = fields.optional_text(call.body, "startFileId")
    shown = [version for version in _listed(call) if version.name >= start]
    if start_id:
        ids = [version.file_id for version in shown]
        shown = shown[ids.index(start_id) :] if start_id in ids else shown
    count = fields.whole_number(call.body, "maxFileCount", DEFAULT_LISTED, 1, MAX_LISTED)
    page, rest = shown[:count], shown[count:]
    return {
        "files": [render.file_version(call.simulator, version) for version in page],
        "nextFileName": rest[0].name if rest else None,
        "nextFileId": rest[0].file_id if rest else None,
    }


def get_file_info(call: Call) -> Json:
    """b2_get_file_info."""
    version = call.simulator.storage.version(fields.text(call.body, "fileId"))
    if version is None:
        raise NativeError(404, "not_found", "File not present")
    call.require("readFiles", version.name)
    return render.file_version(call.simulator, version)


def hide_file(call: Call) -> Json:
    """b2_hide_file."""
    name = fields.text(call.body, "fileName")
    call.require("writeFiles", name)
    call.require_bucket()
    if call.simulator.storage.newest(name) is None:
        raise NativeError(400, "no_such_file", f"no such file: {name}")
    return render.file_version(call.simulator, hide(call.simulator, name))


def delete_file_version(call: Call) -> Json:
    """b2_delete_file_version."""
    file_id, name = fields.text(call.body, "fileId"), fields.text(call.body, "fileName")
    call.require("deleteFiles", name)
    version = call.simulator.storage.version(file_id)
    if version is None or version.name != name:
        raise NativeError(400, "file_not_present", f"File not present: {name} {file_id}")
    call.simulator.storage.remove(file_id)
    return {"fileId": file_id, "fileName": name}


def create_key(call: Call) -> Json:
    """b2_create_key: a key that may be limited to capabilities, the bucket, a name prefix and a life time."""
    call.require("writeKeys")
    bucket_id = _wanted_bucket(call)
    capabilities = frozenset(fields.texts(call.body, "capabilities"))
    # Backblaze (capabilities of application keys): a key with writeKeys can create keys with any capability
    possible = CAPABILITIES - ACCOUNT_CAPABILITIES if bucket_id else CAPABILITIES
    if not capabilities or not capabilities <= possible:
        raise NativeError(400, "bad_request", f"capabilities must be among {sorted(possible)}")
    seconds = fields.whole_number(call.body, "validDurationInSeconds", 0, 1, MAX_KEY_SEC)
    key = Key(
        key_id=f"004{uuid4().hex[:22]}",  # B2's key ids are 25 characters and begin with the cluster's number
        secret=secrets.token_urlsafe(23),
        name=fields.checked_key_name(fields.text(call.body, "keyName")),
        capabilities=capabilities,
        bucket_id=bucket_id,
        name_prefix=fields.optional_text(call.body, "namePrefix"),
        expires_at=call.simulator.clock() + seconds if seconds else None,
    )
    call.simulator.keys.add(key)
    return render.application_key(call.simulator, key, with_secret=True)


def delete_key(call: Call) -> Json:
    """b2_delete_key."""
    call.require("deleteKeys")
    key = call.simulator.keys.remove(fields.text(call.body, "applicationKeyId"))
    if key is None:
        raise NativeError(400, "bad_request", "application key does not exist")
    return render.application_key(call.simulator, key, with_secret=False)


def list_keys(call: Call) -> Json:
    """b2_list_keys: pages in the order of the ids, from the given id or the next one that still exists."""
    call.require("listKeys")
    count = fields.whole_number(call.body, "maxKeyCount", 100, 1, MAX_LISTED_KEYS)
    start = fields.optional_text(call.body, "startApplicationKeyId") or ""
    living = sorted(call.simulator.keys.living(call.simulator.clock()), key=lambda key: key.key_id)
    wanted = [key for key in living if key.key_id >= start]
    shown = [render.application_key(call.simulator, key, with_secret=False) for key in wanted[:count]]
    return {"keys": shown, "nextApplicationKeyId": wanted[count].key_id if len(wanted) > count else None}


def hide(simulator: Simulator, name: str) -> FileVersion:
    """Adds a hide marker as the newest version of the name, and returns it."""
    marker = FileVersion(
        simulator.new_file_id(), name, "hide", None, "application/x-bz-hide-marker", {}, simulator.now_ms(), None
    )
    return simulator.storage.add(marker)


def real_content_type(asked: str) -> str:
    """Returns the content type to store. For b2/x-auto, with which B2 chooses, it is application/octet-stream."""
    return "application/octet-stream" if asked == "b2/x-auto" else asked


def _wanted_bucket(call: Call) -> str | None:
    """Returns the bucket that a new key is limited to (bucketId until v3, bucketIds from v4), None for no limit."""
    ids = fields.texts(call.body, "bucketIds") if call.body.get("bucketIds") else []
    one = fields.optional_text(call.body, "bucketId")
    wanted = {*ids, one} if one else set(ids)
    if not wanted <= {call.simulator.bucket_id}:
        raise NativeError(400, "bad_bucket_id", "Invalid bucketId")
    return call.simulator.bucket_id if wanted else None


def _listed(call: Call) -> list[FileVersion]:
    prefix = fields.optional_text(call.body, "prefix") or ""
    call.require("listFiles", prefix)
    call.require_bucket()
    return [version for version in call.simulator.storage.versions() if version.name.startswith(prefix)]


OPERATIONS: dict[str, Callable[[Call], Json]] = {
    f"b2_{operation.__name__}": operation
    for operation in (
        list_buckets,
        get_upload_url,
        get_upload_part_url,
        start_large_file,
        finish_large_file,
        cancel_large_file,
        list_parts,
        list_unfinished_large_files,
        list_file_names,
        list_file_versions,
        get_file_info,
        hide_file,
        delete_file_version,
        create_key,
        delete_key,
        list_keys,
    )
}
