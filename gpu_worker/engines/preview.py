"""The preview engine: plays the face video forward and back to the length of the voice, marked as not lip-synced."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from gpu_worker import VERSION
from gpu_worker.adapters.media_tools import MediaTools, ToolFailure, ToolRunner, ToolTimeout
from gpu_worker.domain import messages
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.domain.progress import Phase, RunProgress
from gpu_worker.engines.port import EngineNotAllowed, PreparedInputs, Rendered
from gpu_worker.media.frames import FPS

MARK = "PREVIEW - NOT LIP-SYNCED"
ENCODE_SEC = (
    1800.0  # for one ffmpeg call; 60 s of 720p take about 5 s on two cores, and the run's deadline may end it earlier
)
# ffmpeg's `reverse` keeps all its frames in memory, raw: 512 MiB are 388 frames (15 s) of 720p, and fit on a small
# machine with two workers. A longer source is reversed before its end.
REVERSE_BYTES = 512 * 1024 * 1024
BYTES_PER_PIXEL = 1.5  # yuv420p
AUDIO_BITRATE = "192k"  # speech in stereo without audible loss


class PreviewEngine:
    """An engine that needs a CPU and ffmpeg only. machine_id: the id of the Salad node that it runs on, None
    elsewhere."""

    name = "preview"
    version = VERSION

    def __init__(self, tools: MediaTools, machine_id: str | None) -> None:
        self._tools = tools
        self._machine_id = machine_id
        self._ready = False

    def start(self) -> None:
        """Gets ready; raises EngineNotAllowed on a Salad node, because an app must never get a preview for a video."""
        if self._machine_id:
            raise EngineNotAllowed(
                "ENGINE=preview refuses to run where SALAD_MACHINE_ID is set: it makes no lip-synced videos"
            )
        self._ready = True

    def is_ready(self) -> bool:
        """Returns whether start has succeeded."""
        return self._ready

    def stop(self) -> None:
        """Accepts no more jobs."""
        self._ready = False

    def render(self, inputs: PreparedInputs, runner: ToolRunner, progress: RunProgress) -> Rendered:
        """Encodes one marked cycle of the source, then repeats it without encoding; see the port."""
        cycle = inputs.work_dir / "cycle.mp4"
        output = inputs.work_dir / "output.mp4"
        silent = inputs.work_dir / "silent.mp4"
        mark = inputs.work_dir / "mark.png"
        draw_mark(inputs.width, inputs.height).save(mark)
        try:
            progress.enter(Phase.GENERATING)
            _encode_cycle(inputs, mark, cycle, runner, progress)
            progress.enter(Phase.ENCODING)
            _repeat(inputs, cycle, silent, runner)
            _add_voice(inputs, silent, output, runner)
        except (ToolFailure, ToolTimeout) as failure:
            detail = failure.tail if isinstance(failure, ToolFailure) else str(failure)
            raise JobError(ErrorCode.INTERNAL, messages.PREVIEW_FAILED, detail=detail) from failure
        return Rendered(output)


def draw_mark(width: int, height: int) -> Image.Image:
    """Draws the mark, white on a dark bar, as wide as nine tenths of the picture, with Pillow's own font."""
    room = max(8, width * 9 // 10)
    font = ImageFont.load_default(size=100)
    left, top, right, bottom = font.getbbox(MARK)
    size = max(1, min(int(100 * room / (right - left)), height // 6))
    font = ImageFont.load_default(size=size)
    left, top, right, bottom = font.getbbox(MARK)
    margin = max(1, size // 4)
    image = Image.new("RGBA", (int(right - left) + 2 * margin, int(bottom - top) + 2 * margin), (0, 0, 0, 200))
    ImageDraw.Draw(image).text((margin - left, margin - top), MARK, font=font, fill=(255, 255, 255, 255))
    return image


def turning_frame(inputs: PreparedInputs) -> int:
    """Returns after how many frames the preview plays back: all of them, or as many as `reverse` may keep."""
    frame_bytes = inputs.width * inputs.height * BYTES_PER_PIXEL
    return max(1, min(inputs.video_frames, int(REVERSE_BYTES // frame_bytes)))


def _encode_cycle(inputs: PreparedInputs, mark: Path, cycle: Path, runner: ToolRunner, progress: RunProgress) -> None:
    """Encodes forward and, when the audio is longer than the video, back: this part is then repeated."""
    # not format=auto, which converts through RGB and returns another matrix
    marked = "[0:v][1:v]overlay=(W-w)/2:H-h-h/2:format=yuv420,format=yuv420p"
    if inputs.video_frames >= inputs.frames:
        frames, graph = inputs.frames, f"{marked}[out]"
    else:
        turn = turning_frame(inputs)
        frames = 2 * turn
        graph = f"{marked},trim=end_frame={turn},split[a][b];[b]reverse[back];[a][back]concat=n=2:v=1:a=0[out]"
    frames = min(frames, inputs.frames)
    sources = ["-v", "error", "-i", str(inputs.video), "-i", str(mark), "-filter_complex", graph, "-map", "[out]"]
    # no B-frames and whole groups of pictures, so that the copy can be cut after any frame and joined to its own start
    encoding = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-bf", "0", "-g", str(FPS), "-r", str(FPS)]
    limits = ["-frames:v", str(frames), "-video_track_timescale", "12800", "-f", "mp4", str(cycle)]
    runner.convert([*sources, *encoding, *limits], ENCODE_SEC, lambda done: progress.advance(done / frames))


def _repeat(inputs: PreparedInputs, cycle: Path, silent: Path, runner: ToolRunner) -> None:
    """Repeats the cycle to the exact number of frames, without encoding."""
    source = ["-v", "error", "-stream_loop", "-1", "-i", str(cycle), "-map", "0:v:0", "-c:v", "copy"]
    container = ["-frames:v", str(inputs.frames), "-video_track_timescale", "12800", "-f", "mp4", str(silent)]
    runner.convert([*source, *container], ENCODE_SEC)


def _add_voice(inputs: PreparedInputs, silent: Path, output: Path, runner: ToolRunner) -> None:
    """Adds the whole voice. This needs its own call, because the limit of frames in _repeat would cut the audio as
    well."""
    sources = ["-v", "error", "-i", str(silent), "-i", str(inputs.audio), "-map", "0:v:0", "-map", "1:a:0"]
    codecs = ["-c:v", "copy", "-c:a", "aac", "-b:a", AUDIO_BITRATE, "-ar", "48000"]
    container = ["-video_track_timescale", "12800", "-movflags", "+faststart", "-f", "mp4", str(output)]
    runner.convert([*sources, *codecs, *container], ENCODE_SEC)
