"""The verdicts on media as docs/media.md shows them; the tests of media hold the worker to these very texts."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """A row of the page. again: whether another node tries; message: what the app reads, "..." for what varies."""

    situation: str
    code: str
    again: bool
    message: str

    def fits(self, message: str) -> bool:
        """Says whether a message is this one."""
        return re.fullmatch(".+".join(map(re.escape, self.message.split("..."))), message) is not None


LIFE = "one that lives longer than start_timeout_seconds and run_timeout_seconds together"
WHOLE = "Check that the link leads to the file itself."
EXPORT = "Export it again and check that it plays to its end."
KINDS = "Send MP4, MOV, WebM or MKV video, WAV, MP3, AAC, FLAC or OGG audio."
FAILED, TIMEOUT, LARGE = "input_download_failed", "input_download_timeout", "input_too_large"
CORRUPT, UNSUPPORTED = "media_corrupt", "unsupported_media"
TABLE = {
    "401": Verdict(
        "the link asks for a login (401)", FAILED, False,
        "The server of video_url answered with 401. Workers send no password: send a link that opens without one, "
        "such as a presigned link.",
    ),
    "403": Verdict(
        "access refused (403)", FAILED, False,
        "The server of video_url answered with 403. Access is refused: send a public link, or a presigned one that has "
        f"not expired, {LIFE}.",
    ),
    "404": Verdict(
        "no such file (404, S3's `NoSuchKey`)", FAILED, False,
        "The server of video_url answered with 404. There is no such file: check the link, and that the file is still "
        "there.",
    ),
    "410": Verdict(
        "file removed (410)", FAILED, False,
        "The server of video_url answered with 410. The file is gone: upload it again and send its new link.",
    ),
    "expired": Verdict(
        "presigned link that has expired", FAILED, False,
        f"The server of video_url answered with 403. The link has expired. Send a fresh one, {LIFE}.",
    ),
    "tampered": Verdict(
        "presigned link that was changed", FAILED, False,
        "The server of video_url answered with 403. The link's signature is not valid. Send it exactly as it was made "
        f"(nothing added, cut off or encoded twice), signed for GET without extra headers, and {LIFE}.",
    ),
    "denied": Verdict(
        "presigned link of a key that may not read the file", FAILED, False,
        "The server of video_url answered with 403. The storage refuses access: the link has expired, or the key that "
        f"signed it may not read this file. Send a fresh link, {LIFE}.",
    ),
    "empty": Verdict("empty file", FAILED, False, "The server of video_url sent an empty file."),
    "5xx": Verdict(
        "the server fails (5xx), three times", TIMEOUT, True,
        "The server of video_url answered with 503. Check that it is up.",
    ),
    "slow": Verdict(
        "slow or stalling server", TIMEOUT, True,
        "video_url was not complete within ... s. Check that its server is up and fast enough.",
    ),
    "cut": Verdict(
        "transfer cut three times: less arrives than `Content-Length` says", TIMEOUT, True,
        "video_url could not be fetched whole. Check that its server is up and fast enough.",
    ),
    "large": Verdict(
        "too many bytes, announced or not; a body without end", LARGE, False,
        "video_url is larger than ... MB. Send a smaller file.",
    ),
    "pixels": Verdict(
        "picture beyond 4K", LARGE, False,
        "The picture of video_url has ... pixels; at most 8,912,896 are taken (4K). Send a smaller one.",
    ),
    "type": Verdict(
        "not media, such as a login page", CORRUPT, False,
        f"video_url is damaged or not a media file: it cannot be read (its server calls it '...'). {WHOLE}",
    ),
    "start": Verdict(
        "damaged at the start, or cut before its index", CORRUPT, False,
        f"video_url is damaged or not a media file: it cannot be read (...). {WHOLE}",
    ),
    "video middle": Verdict(
        "video damaged in the middle", CORRUPT, False,
        f"video_url is damaged: its pictures from about ... s to ... s cannot be decoded. {EXPORT}",
    ),
    "audio middle": Verdict(
        "voice damaged in the middle", CORRUPT, False,
        f"audio_url is damaged: its sound from about ... s to ... s cannot be decoded. {EXPORT}",
    ),
    "undecodable": Verdict(
        "nothing in it can be decoded", CORRUPT, False,
        f"video_url is damaged: its content cannot be decoded. {EXPORT}",
    ),
    "no video": Verdict(
        "no picture", "no_video_stream", False, "video_url has no video track. Send a video file that shows a face."
    ),
    "no audio": Verdict(
        "no sound", "no_audio_stream", False, "audio_url has no audio track. Send a file with speech."
    ),
    "silent": Verdict(
        "silence", "audio_silent", False, "audio_url is silent from begin to end. Send a recording of speech."
    ),
    "brief": Verdict(
        "voice shorter than 0.5 s", "input_too_short", False,
        "audio_url has ... s of sound; at least 0.5 s are needed.",
    ),
    "long": Verdict(
        "voice longer than 600 s", "input_too_long", False,
        "audio_url is longer than ... s. Split it into several jobs.",
    ),
    "kind": Verdict(
        "still image, playlist, document", UNSUPPORTED, False,
        f"video_url cannot be used: this kind of file is not a video or audio file that is taken. {KINDS}",
    ),
    "dolby": Verdict(
        "Dolby Vision profile 5", UNSUPPORTED, False,
        f"video_url cannot be used: it is Dolby Vision profile 5. Export it as SDR, HDR10 or HLG. {KINDS}",
    ),
    "narrow": Verdict(
        "picture too long and narrow for the size that was asked for", UNSUPPORTED, False,
        "video_url would become ... pixels, which is more than can be made. "
        "Ask for another aspect_ratio or a lower resolution.",
    ),
}  # fmt: skip
