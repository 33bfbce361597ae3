"""Answers with a stored file's bytes: whole, one range of them, or only their headers."""

from flask import Response, request
from werkzeug.http import parse_range_header
from werkzeug.wsgi import wrap_file

from infra.local.b2_sim.storage import FileVersion


def file_response(version: FileVersion, method: str, range_header: str | None) -> Response | None:
    """Gives the answer for GET or HEAD; None when the range cannot be satisfied (416, worded by the caller).

    Several ranges at once, and what is no byte range, are ignored: the whole file is a valid answer (RFC 9110).
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
