"""Decodes files that their server keeps compressed (`Content-Encoding: gzip`), a piece at a time."""

import zlib
from collections.abc import Iterator

PIECE_BYTES = 256 * 1024  # decoded at once: what a bomb costs before the size limit is checked
MAGIC = b"\x1f\x8b"  # the start of each member (RFC 1952 section 2.3.1)
GZIP_WINDOW = 16 + zlib.MAX_WBITS
READ_AS_IT_IS = frozenset({"", "identity", "aws-chunked", "none", "utf-8", "binary"})  # storages keep odd values
GZIP = ("gzip", "x-gzip")


class CannotDecodeError(Exception):
    """A body that is compressed in another way, or is damaged."""


class Plain:
    """A body that is the file itself."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yields the file's bytes."""
        yield data

    def is_complete(self) -> bool:
        """Returns whether the body may end here."""
        return True


class Gunzip:
    """A body in gzip. One that does not start like gzip is taken as it is: storages keep wrong headers for years."""

    def __init__(self) -> None:
        self._begin = b""
        self._member = zlib.decompressobj(GZIP_WINDOW)
        self._is_plain = self._is_over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yields the file's bytes in pieces; raises CannotDecodeError."""
        if self._is_plain:
            yield data
        elif len(self._begin) < len(MAGIC):
            self._begin += data
            if len(self._begin) >= len(MAGIC):
                self._is_plain = not self._begin.startswith(MAGIC)
                yield from self._decode(self._begin) if not self._is_plain else [self._begin]
        else:
            yield from self._decode(data)

    def is_complete(self) -> bool:
        """Returns whether the body may end here."""
        return self._is_plain or self._member.eof or not self._begin

    def _decode(self, data: bytes) -> Iterator[bytes]:
        while data and not self._is_over:
            if self._member.eof:
                self._is_over = not data.startswith(MAGIC[: len(data)])  # what follows a member and is none is padding
                self._member = self._member if self._is_over else zlib.decompressobj(GZIP_WINDOW)
                continue
            try:
                piece = self._member.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise CannotDecodeError from error
            yield piece
            data = self._member.unconsumed_tail or self._member.unused_data


def decoder_for(encoding: str) -> Plain | Gunzip:
    """Returns what decodes a body with this `Content-Encoding`; raises CannotDecodeError for other compressions."""
    codings = [name for name in (part.strip().lower() for part in encoding.split(",")) if name not in READ_AS_IT_IS]
    if not codings:
        return Plain()
    if len(codings) == 1 and codings[0] in GZIP:
        return Gunzip()
    raise CannotDecodeError
