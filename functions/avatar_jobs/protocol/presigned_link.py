"""Signs links to files in the bucket: AWS Signature Version 4 in the query, as B2's S3-compatible endpoint takes it.

It is written out here because botocore signs with its own clock only, while these links are signed with a given time,
so that the same link can be made again. It also saves a GET the second that importing boto3 takes.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"
UNRESERVED = "-._~"  # beside letters and digits, the characters that the algorithm does not encode


def presigned_link(
    *, endpoint: str, region: str, bucket: str, name: str, key_id: str, app_key: str, signed_at: datetime, seconds: int
) -> str:
    """Returns the link with which anyone can GET one file until `seconds` after signed_at.

    endpoint: the origin of the S3 endpoint; the bucket is the path's first part.
    """
    stamp = signed_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/{SERVICE}/aws4_request"
    path = f"/{quote(bucket, safe=UNRESERVED)}/{quote(name, safe='/' + UNRESERVED)}"
    parameters = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{key_id}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }  # in the order of their names, as they are signed
    query = "&".join(f"{parameter}={quote(value, safe=UNRESERVED)}" for parameter, value in parameters.items())
    request = "\n".join(["GET", path, query, f"host:{urlsplit(endpoint).netloc}", "", "host", "UNSIGNED-PAYLOAD"])
    to_sign = "\n".join([ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{app_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{endpoint.rstrip('/')}{path}?{query}&X-Amz-Signature={signature}"
