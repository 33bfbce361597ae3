"""B2's errors: JSON for the native API, XML for the S3-compatible API."""

from xml.sax.saxutils import escape


class NativeError(Exception):
    """An error of the native API, rendered as `{"status", "code", "message"}` (Backblaze's API documentation)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def as_json(self) -> dict[str, object]:
        """Returns the body of the answer."""
        return {"status": self.status, "code": self.code, "message": self.message}


class S3Error(Exception):
    """An error of the S3-compatible API. details: further elements of the XML body."""

    def __init__(self, status: int, code: str, message: str, **details: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    def as_xml(self, resource: str) -> str:
        """Returns the body of the answer, as in S3's error reference. resource: the requested path without a query."""
        parts = {"Code": self.code, "Message": self.message, "Resource": resource, **self.details}
        inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in parts.items())
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
