"""The simulator's URLs: native API, downloads, S3 objects, and the state for tests."""

from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from infra.local.b2_sim import native, render, s3, sigv4, uploads
from infra.local.b2_sim.errors import NativeError, S3Error
from infra.local.b2_sim.faults import add_faults
from infra.local.b2_sim.keys import Key
from infra.local.b2_sim.render import file_response
from infra.local.b2_sim.simulator import Simulator
from infra.local.b2_sim.storage import FileVersion
from infra.local.json_logs import log_event

API_VERSIONS = ("v2", "v3", "v4")  # b2sdk.v2 uses v3, b2sdk.v3 uses v4; most examples show v2


def create_app(simulator: Simulator) -> Flask:
    """Returns the WSGI application of one simulated account."""
    app = Flask("b2_sim", static_folder=None)
    app.url_map.merge_slashes = False  # object names may have double slashes; a redirect would break the signature
    _add_native_routes(app, simulator)
    _add_upload_routes(app, simulator)
    _add_file_routes(app, simulator)
    add_faults(app, simulator)
    _add_error_handlers(app)
    app.after_request(_log_request)
    return app


def _add_native_routes(app: Flask, simulator: Simulator) -> None:
    @app.route("/b2api/<version>/b2_authorize_account", methods=["GET", "POST"])
    def authorize_account(version: str) -> Response:
        _check_version(version)
        simulator.count("b2_authorize_account")
        basic = request.authorization
        if basic is None or basic.type != "basic":
            raise NativeError(401, "unauthorized", "basic authorization is required")
        key_id, secret = basic.username or "", basic.password or ""
        key, token = simulator.keys.authorize_account(key_id, secret, simulator.clock())
        return jsonify(render.account(simulator, key, token, _origin(), version))

    @app.post("/b2api/<version>/<operation>")
    def native_call(version: str, operation: str) -> Response:
        _check_version(version)
        if operation not in native.OPERATIONS:
            raise NativeError(404, "not_found", f"the simulator has no {operation}")
        simulator.count(operation)
        key = simulator.keys.key_of_account_token(request.headers.get("Authorization", ""), simulator.clock())
        body = request.get_json(force=True, silent=True)
        if not isinstance(body, dict):
            raise NativeError(400, "bad_json", "the body is not a JSON object")
        return jsonify(native.OPERATIONS[operation](native.Call(simulator, key, body, _origin())))


def _add_upload_routes(app: Flask, simulator: Simulator) -> None:
    @app.post("/b2api/<version>/b2_upload_file/<bucket_id>")
    def upload_file(version: str, bucket_id: str) -> Response:
        _check_version(version)
        if bucket_id != simulator.bucket_id:
            raise NativeError(400, "bad_bucket_id", "Invalid bucketId")
        return jsonify(uploads.upload_file(simulator, request.headers, request.stream))

    @app.post("/b2api/<version>/b2_upload_part/<file_id>")
    def upload_part(version: str, file_id: str) -> Response:
        _check_version(version)
        return jsonify(uploads.upload_part(simulator, request.headers, request.stream))


def _add_file_routes(app: Flask, simulator: Simulator) -> None:
    @app.get("/b2api/<version>/b2_download_file_by_id")
    def download_by_id(version: str) -> Response:
        _check_version(version)
        found = simulator.storage.version(request.args.get("fileId", ""))
        return _download(simulator, found, found.name if found else None)

    @app.get("/file/<bucket>/<path:name>")
    def download_by_name(bucket: str, name: str) -> Response:
        ours = bucket == simulator.settings.bucket_name
        return _download(simulator, simulator.storage.newest(name) if ours else None, name)

    @app.get("/_sim/state")
    def state() -> Response:
        return jsonify(_state(simulator))

    @app.route("/<bucket>/<path:name>", methods=["HEAD", "GET", "DELETE"])
    def s3_object(bucket: str, name: str) -> Response:
        query = request.args.to_dict()
        return s3.object_call(simulator, _signed_request(), bucket, name, query, request.headers.get("Range"))


def _download(simulator: Simulator, version: FileVersion | None, name: str | None) -> Response:
    """Answers a download. name: the requested file, None when unknown. Raises NativeError.

    A key that may not read the file gets the same answer whether the file exists or not.
    """
    token = request.headers.get("Authorization") or request.args.get("Authorization")
    key: Key | None = simulator.keys.key_of_account_token(token, simulator.clock()) if token else None
    if key is None and not simulator.downloads_are_public:
        raise NativeError(401, "unauthorized", "Authorization is required for a private bucket")
    if key is not None and not key.may("readFiles", name) and not simulator.downloads_are_public:
        raise NativeError(401, "unauthorized", "the key may not read this file")
    if version is None or version.content is None:
        raise NativeError(404, "not_found", "File not present")
    response = file_response(version, request.method, request.headers.get("Range"))
    if response is None:
        raise NativeError(416, "range_not_satisfiable", "The range is not satisfiable")
    response.headers.update(render.download_headers(version))
    return response


def _state(simulator: Simulator) -> dict[str, Any]:
    files = [
        {"name": item.name, "file_id": item.file_id, "action": item.action, "size": item.size, "sha1": item.sha1}
        for item in simulator.storage.versions()
    ]
    bucket = {"id": simulator.bucket_id, "name": simulator.settings.bucket_name, "type": simulator.settings.bucket_type}
    keys = [
        {"id": key.key_id, "name": key.name, "prefix": key.name_prefix, "capabilities": sorted(key.capabilities)}
        for key in simulator.keys.living(simulator.clock())
    ]
    return {
        "bucket": bucket,
        "files": files,
        "keys": keys,
        "unfinished_large_files": len(simulator.storage.unfinished()),
        "calls": dict(simulator.calls),
    }


def _signed_request() -> sigv4.Request:
    raw_target = str(request.environ["REQUEST_URI"])  # from waitress: the target as it was sent and signed
    path, _, query = raw_target.partition("?")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return sigv4.Request(request.method, path, query, headers)


def _origin() -> str:
    return request.host_url.rstrip("/")


def _check_version(version: str) -> None:
    if version not in API_VERSIONS:
        raise NativeError(404, "not_found", f"the simulator has no API {version}")


def _add_error_handlers(app: Flask) -> None:
    @app.errorhandler(NativeError)
    def native_error(error: NativeError) -> tuple[Response, int]:
        return jsonify(error.as_json()), error.status

    @app.errorhandler(S3Error)
    def s3_error(error: S3Error) -> Response:
        return Response(error.as_xml(request.path), error.status, content_type="application/xml")

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> tuple[Response, int]:
        status = error.code or 500
        return jsonify(NativeError(status, "bad_request", error.description or error.name).as_json()), status

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> tuple[Response, int]:
        log_event("b2_sim_error", path=request.path, error=repr(error))
        return jsonify(NativeError(500, "internal_error", "The simulator failed; its log says why.").as_json()), 500


def _log_request(response: Response) -> Response:
    # the path alone: a presigned query must not appear in logs
    log_event("b2_request", method=request.method, path=request.path, status=response.status_code)
    return response
