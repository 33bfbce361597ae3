"""Every text of the worker that an app can read, in answers and in reports: what happened, and what to do about it.

`field` is the request's field that a file came from: VIDEO or AUDIO. Amounts come as text, so that the table in
docs/media.md can show `...` in their place; a test holds that table to these texts. The reasons of refused URLs stand
with their rules in url_guard.py.
"""

from collections.abc import Iterable

VIDEO, AUDIO = "video_url", "audio_url"

# Advice for a link that a media server refuses; transfer/refusals.py says which one goes with which answer.
LONG_ENOUGH = "valid for longer than start_timeout_seconds and run_timeout_seconds together"
LINK_EXPIRED = f"The link has expired. Send a fresh one that is {LONG_ENOUGH}."
LINK_INVALID = (
    "The link's signature is not valid. Send the link exactly as it was made (nothing added, cut off or encoded twice),"
    f" signed for GET without extra headers and {LONG_ENOUGH}."
)
LINK_DENIED = (
    "The storage refuses access: the link has expired, or the key that signed it may not read this file. "
    f"Send a fresh link that is {LONG_ENOUGH}."
)
LINK_KEY_GONE = f"The key that signed the link does not exist any more. Send a fresh link that is {LONG_ENOUGH}."
LINK_CLOCK_WRONG = "The link was signed with a wrong clock. Set the signer's clock and send a fresh link."
LINK_ASKS_LOGIN = "Workers do not log in: send a link that opens without a password, such as a presigned link."
LINK_NOT_PUBLIC = f"Access is refused: send a public link, or a presigned one that is {LONG_ENOUGH}."
FILE_MISSING = "There is no such file: check the link, and check that the file still exists."
FILE_GONE = "The file is gone: upload it again and send its new link."
BUCKET_MISSING = "There is no such bucket: check the link."
FILE_ARCHIVED = "The file is archived: restore it first, or send a copy."
CHECK_LINK = "Check that the link is right, public and has not expired."

# The worker itself
INTERNAL = "Internal error of the worker."
INTERRUPTED = "The GPU node was stopped before the video was finished."
STOPPED = "The GPU node is being stopped."
REPLACED = "The GPU node is being replaced."
WAITING_CALLER_LEFT = "The caller closed its connection while its job waited."
JOINED_CALLER_LEFT = "The caller closed its connection while it waited for the run in progress."
JOINED_RUN_FAILED = "The run in progress for this job ended without an answer."
DISK_FULL = "The GPU node's disk is full."
NO_STORAGE_KEY = "The worker was given no storage key for the video."
RUN_TIMEOUT = (
    "The video was not finished within the job's run_timeout_seconds. "
    "Allow more time, or send a shorter voice track or a lower resolution."
)

# Media
NO_VIDEO_TRACK = f"{VIDEO} has no video track. Send a video file that shows a face."
NO_AUDIO_TRACK = f"{AUDIO} has no audio track. Send a file with speech."
SILENT = f"{AUDIO} is silent from beginning to end. Send a recording of speech."
WRONG_KIND = "this kind of file is not supported"
DOLBY_VISION = "it is Dolby Vision profile 5. Export it as SDR, HDR10 or HLG"
NO_PICTURE_SIZE = "its picture has no size"
READ_TOO_SLOWLY = "it cannot be read in reasonable time"
NO_DESCRIPTION = "its tracks cannot be read"
PICTURES, SOUND = "pictures", "sound"
CHECK_FILE = "Check that the link leads to the file itself."
EXPORT_AGAIN = "Export it again and check that it plays to its end."
SUPPORTED = "Send MP4, MOV, WebM or MKV video, WAV, MP3, AAC, FLAC or OGG audio."

# Engine and upload
NO_FACE = f"No face was found in {VIDEO}. Send a video that shows one face from the front."
NO_FACE_AT_START = f"No face was found at the start of {VIDEO}. Send a video that shows one face all the time."
OUT_OF_MEMORY = "The GPU's memory is too small for this job. Another node may have more; a lower resolution needs less."
GPU_FAILED = "The GPU failed while it made the video."
MODEL_KILLED = "The GPU node's operating system killed the model, most likely because memory ran out."
MODEL_EXITED = "The model ended with an error."
MODEL_FAILED = "The model failed on this job."
VOICE_TOO_SHORT = f"{AUDIO} is too short for the model. Send a longer recording."
STALLED = "made no progress"
TOO_SLOW = "took too long"
PREVIEW_FAILED = "The preview could not be encoded."
NO_SOUND = "the model made a video without sound"
NO_VIDEO = "the model wrote no readable video"
NOT_READABLE = "it cannot be read"
INDEX_NOT_FIRST = "its index does not come first (faststart)"
NOT_UPLOADED = "The video could not be uploaded to the storage."
NOT_STORED = "The file is not in the storage after its upload."
STORED_OTHERWISE = "The file in the storage is not the one that was sent."


def input_refused(faults: Iterable[str]) -> str:
    """Text for a job whose input cannot be read; faults: one sentence part for each faulty field."""
    return f"The worker refuses this input: {'; '.join(faults)}."


def endpoint_refused(reason: str) -> str:
    """Text for a storage key whose endpoint breaks a rule for URLs."""
    return f"The worker refuses upload.endpoint: {reason}."


def url_refused(field: str, reason: str) -> str:
    """Text for a URL that breaks a rule for URLs."""
    return f"{field} cannot be used: {reason}."


def too_many_redirects(field: str, most: int) -> str:
    """Text for a link with more redirects than are followed."""
    return f"{field} redirects more than {most} times. Send a link that leads to the file directly."


def redirect_refused(field: str, reason: str) -> str:
    """Text for a link that redirects to a URL that breaks a rule for URLs."""
    return f"{field} cannot be used, for it redirects to another URL: {reason}."


def bad_certificate(field: str) -> str:
    """Text for a media server without a valid TLS certificate."""
    return f"The server of {field} has no valid certificate. Renew it, or send a link to another server."


def no_encryption(field: str) -> str:
    """Text for a media server with which no way to encrypt is found."""
    return f"No encrypted connection to the server of {field} is possible. Check that it offers TLS 1.2 or later."


def not_http(field: str) -> str:
    """Text for a media server whose answers cannot be read."""
    return f"The answer of the server of {field} is not valid HTTP. Check the link, or send one to another server."


def server_failed(field: str, status: int) -> str:
    """Text for a media server that answers 5xx."""
    return f"{_answered(field, status)} Check that it is up."


def server_busy(field: str, status: int) -> str:
    """Text for a media server that asks to come again later."""
    return f"{_answered(field, status)} It takes no more requests now: submit the job again later."


def link_refused(field: str, status: int, advice: str) -> str:
    """Text for a link that a media server refuses; advice: one of the texts above."""
    return f"{_answered(field, status)} {advice}"


def empty_file(field: str) -> str:
    """Text for an empty file."""
    return f"The server of {field} sent an empty file."


def badly_compressed(field: str) -> str:
    """Text for a file that its server compresses in a way that cannot be undone."""
    return f"The server of {field} compresses the file in a way that cannot be read. Send a link to the plain file."


def download_late(field: str, limit_sec: str) -> str:
    """Text for a file that did not arrive within the limit."""
    return f"{field} was not complete within {limit_sec} s. Check that its server is up and fast enough."


def download_cut(field: str) -> str:
    """Text for a file whose transfer broke off each time."""
    return f"{field} could not be downloaded completely. Check that its server is up and fast enough."


def file_too_large(field: str, limit_mb: str) -> str:
    """Text for a file of too many bytes."""
    return f"{field} is larger than {limit_mb} MB. Send a smaller file."


def picture_too_large(size: str, most: int) -> str:
    """Text for a face video with too many pixels. size: `width`x`height`."""
    return f"The picture of {VIDEO} has {size} pixels; at most {most:,} are accepted (4K). Send a smaller one."


def output_too_large(size: str) -> str:
    """Text for a picture so long and narrow that its output cannot be encoded. size: `width`x`height` of the output."""
    return (
        f"{VIDEO} would become {size} pixels, which is more than can be encoded. "
        "Ask for another aspect_ratio or a lower resolution."
    )


def not_media(field: str, why: str) -> str:
    """Text for a file without a readable track."""
    return f"{field} is damaged or not a media file: {why}. {CHECK_FILE}"


def unreadable(called: str) -> str:
    """Reason for not_media: no program can open the file; called: see served_as."""
    return f"it cannot be read ({called})"


def no_media_inside(called: str) -> str:
    """Reason for not_media: the file opens as something that is no media; called: see served_as."""
    return f"its content is not media ({called})"


def served_as(content_type: str) -> str:
    """What the server called a file, empty when it called it nothing."""
    return f"its server calls it {content_type!r}" if content_type else "its server does not say what it is"


def unsupported(field: str, why: str) -> str:
    """Text for a file of a kind or format that is not supported."""
    return f"{field} cannot be used: {why}. {SUPPORTED}"


def unknown_format(tag: str) -> str:
    """Reason for unsupported: a codec that ffmpeg does not know."""
    return f"its format ({tag}) cannot be decoded"


def undecodable(field: str) -> str:
    """Text for a file of which nothing, or too little, can be decoded."""
    return f"{field} is damaged: its content cannot be decoded. {EXPORT_AGAIN}"


def damaged(field: str, what: str, begin_sec: str, end_sec: str) -> str:
    """Text for a file with a damaged stretch; what: PICTURES or SOUND."""
    return f"{field} is damaged: its {what} from about {begin_sec} s to {end_sec} s cannot be decoded. {EXPORT_AGAIN}"


def decodes_too_slowly(field: str, limit_sec: str) -> str:
    """Text for a file that takes too long to decode."""
    return f"{field} took longer than {limit_sec} s to decode. Send a smaller file, or one in a simpler format."


def voice_too_short(seconds: str, least_sec: str) -> str:
    """Text for a voice track that is shorter than the limit."""
    return f"{AUDIO} has {seconds} s of sound; at least {least_sec} s are needed."


def voice_too_long(limit_sec: str) -> str:
    """Text for a voice track that is longer than the limit."""
    return f"{AUDIO} is longer than {limit_sec} s. Split it into several jobs."


def frames_too_large(needed_gib: str, frames: int, size: str, free_gib: str) -> str:
    """Text for a face video whose frames do not fit into the node's memory."""
    return (
        f"{VIDEO} needs {needed_gib} GiB for its {frames} frames of {size} pixels, and {free_gib} GiB are available. "
        "Ask for a lower resolution, or send a shorter video: it is played forward and back for as long as the voice "
        "lasts."
    )


def face_lost(seconds: str) -> str:
    """Text for a video whose face disappears. seconds: from the start of the video until then."""
    return f"No face was found {seconds} s after the start of {VIDEO}. Send a video that shows one face all the time."


def model_stopped(what: str, stage: str) -> str:
    """Text for a model that was stopped; what: STALLED or TOO_SLOW; stage: the engine's name for it."""
    return f"The model {what} at its stage {stage} and was stopped."


def video_unusable(why: str) -> str:
    """Text for a model's video that cannot be used."""
    return f"The video could not be used: {why}."


def wrong_frame_count(found: int, right: int) -> str:
    """Reason for video_unusable."""
    return f"the model made {found} frames, not {right}"


def check_failed(deviations: Iterable[str]) -> str:
    """Text for a finished video that is not what was asked for; deviations: a sentence part for each."""
    return f"The finished video failed its check: {'; '.join(deviations)}."


def wrong_tracks(videos: int, audios: int) -> str:
    """Deviation for check_failed."""
    return f"it has {videos} video and {audios} audio tracks"


def wrong_value(name: str, found: object, right: object) -> str:
    """Deviation for check_failed."""
    return f"{name} is {found}, not {right}"


def wrong_length(track: str, found_sec: float, right_sec: float) -> str:
    """Deviation for check_failed."""
    return f"{track} lasts {found_sec:.3f} s, not {right_sec:.3f} s"


def storage_too_slow(limit_sec: str) -> str:
    """Text for a storage call that did not end within the limit."""
    return f"The storage took longer than {limit_sec} s."


def _answered(field: str, status: int) -> str:
    return f"The server of {field} answered with {status}."
