"""The verdicts on media, as the table in docs/media.md shows them: the situations, and which text goes with each."""

import re
from dataclasses import dataclass

from gpu_worker.domain import messages
from gpu_worker.domain.messages import AUDIO, VIDEO
from gpu_worker.media.probe import MAX_PIXELS


@dataclass(frozen=True)
class Verdict:
    """A row of the page. again: whether another node tries; message: what the app reads, "..." for what varies."""

    situation: str
    code: str
    again: bool
    message: str

    def fits(self, message: str) -> bool:
        """Returns whether a message is this one."""
        return re.fullmatch(".+".join(map(re.escape, self.message.split("..."))), message) is not None


NOT_ALLOWED = "input_url_not_allowed"
FAILED, TIMEOUT, LARGE = "input_download_failed", "input_download_timeout", "input_too_large"
CORRUPT, UNSUPPORTED = "media_corrupt", "unsupported_media"
VARIES = "..."


def refused(situation: str, status: int, advice: str) -> Verdict:
    """A link that its server refuses."""
    return Verdict(situation, FAILED, False, messages.link_refused(VIDEO, status, advice))


def corrupt(situation: str, message: str) -> Verdict:
    """A file that is damaged."""
    return Verdict(situation, CORRUPT, False, message)


TABLE = {
    "401": refused("the link asks for a login (401)", 401, messages.LINK_ASKS_LOGIN),
    "403": refused("access refused (403)", 403, messages.LINK_NOT_PUBLIC),
    "404": refused("no such file (404, S3's `NoSuchKey`)", 404, messages.FILE_MISSING),
    "410": refused("file removed (410)", 410, messages.FILE_GONE),
    "expired": refused("presigned link that has expired", 403, messages.LINK_EXPIRED),
    "tampered": refused("presigned link that was changed", 403, messages.LINK_INVALID),
    "denied": refused("presigned link of a key that may not read the file", 403, messages.LINK_DENIED),
    "empty": Verdict("empty file", FAILED, False, messages.empty_file(VIDEO)),
    "redirects": Verdict("more than ten redirects", FAILED, False, messages.too_many_redirects(VIDEO, 10)),
    "redirect": Verdict(
        "redirect to a refused or unreadable URL", NOT_ALLOWED, False, messages.redirect_refused(VIDEO, VARIES)
    ),
    "compressed": Verdict(
        "`Content-Encoding` other than gzip, or damaged gzip", FAILED, False, messages.badly_compressed(VIDEO)
    ),
    "not http": Verdict("no HTTP answer, three times", FAILED, False, messages.not_http(VIDEO)),
    "tls": Verdict("no TLS connection, three times", FAILED, False, messages.no_encryption(VIDEO)),
    "certificate": Verdict("no valid certificate", FAILED, False, messages.bad_certificate(VIDEO)),
    "5xx": Verdict("the server fails (5xx), three times", TIMEOUT, False, messages.server_failed(VIDEO, 503)),
    "busy": Verdict(
        "the server asks to come later (408, 425, 429), three times", TIMEOUT, False, messages.server_busy(VIDEO, 429)
    ),
    "slow": Verdict("slow or stalling server", TIMEOUT, True, messages.download_late(VIDEO, VARIES)),
    "cut": Verdict("transfer cut three times, or no connection", TIMEOUT, True, messages.download_cut(VIDEO)),
    "short": Verdict(
        "transfer ended three times at the same byte: less arrives than `Content-Length` says",
        TIMEOUT,
        False,
        messages.download_cut(VIDEO),
    ),
    "large": Verdict(
        "too many bytes, announced or not; a body without end", LARGE, False, messages.file_too_large(VIDEO, VARIES)
    ),
    "pixels": Verdict("picture beyond 4K", LARGE, False, messages.picture_too_large(VARIES, MAX_PIXELS)),
    "type": corrupt(
        "not media, such as a login page", messages.not_media(VIDEO, messages.unreadable(messages.served_as(VARIES)))
    ),
    "start": corrupt(
        "damaged at the start, or cut before its index", messages.not_media(VIDEO, messages.unreadable(VARIES))
    ),
    "video middle": corrupt("video damaged in the middle", messages.damaged(VIDEO, messages.PICTURES, VARIES, VARIES)),
    "audio middle": corrupt("voice damaged in the middle", messages.damaged(AUDIO, messages.SOUND, VARIES, VARIES)),
    "undecodable": corrupt("nothing in it can be decoded", messages.undecodable(VIDEO)),
    "no video": Verdict("no picture", "no_video_stream", False, messages.NO_VIDEO_TRACK),
    "no audio": Verdict("no sound", "no_audio_stream", False, messages.NO_AUDIO_TRACK),
    "silent": Verdict("silence", "audio_silent", False, messages.SILENT),
    "brief": Verdict("voice shorter than 0.5 s", "input_too_short", False, messages.voice_too_short(VARIES, "0.5")),
    "long": Verdict("voice longer than 600 s", "input_too_long", False, messages.voice_too_long(VARIES)),
    "kind": Verdict(
        "still image, playlist, document", UNSUPPORTED, False, messages.unsupported(VIDEO, messages.WRONG_KIND)
    ),
    "dolby": Verdict("Dolby Vision profile 5", UNSUPPORTED, False, messages.unsupported(VIDEO, messages.DOLBY_VISION)),
    "narrow": Verdict(
        "picture too long and narrow for the size that was asked for",
        UNSUPPORTED,
        False,
        messages.output_too_large(VARIES),
    ),
}
