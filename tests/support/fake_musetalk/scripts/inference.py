"""A fake of MuseTalk's scripts/inference.py: same arguments, same sentences, same files, no network and no model.

What it does wrong is named in the file `fault` of the checkout, its working directory; each fault has the form that the
real program shows it in. It says on which source video it works by a file `seen.json` beside it.
"""

# ruff: noqa: T201, BLE001 - the program that this plays prints, and swallows every exception
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

FPS = 25
RATE = 16_000


def main() -> None:
    """Plays one run of the real program."""
    arguments = read_arguments()
    fault = Path("fault").read_text().strip() if Path("fault").exists() else ""
    task = yaml.safe_load(Path(arguments.inference_config).read_text())["task_0"]
    note_seen(arguments, task)
    print("load unet model from", arguments.unet_model_path)
    before_loading(fault)
    print("Loaded inference config:", {"task_0": task})
    try:
        make(arguments, task, fault)
    except Exception as error:
        print("Error occurred during processing:", error)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("inference_config", "result_dir", "unet_model_path", "unet_config", "whisper_dir", "version"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--use_float16", action="store_true")
    return parser.parse_args()


def note_seen(arguments: argparse.Namespace, task: dict[str, str]) -> None:
    seen = {"arguments": vars(arguments), "task": task, "environment": dict(os.environ), "group": os.getpgid(0)}
    Path("seen.part").write_text(json.dumps(seen))
    Path("seen.part").replace("seen.json")  # whole or not there: somebody waits for it


def before_loading(fault: str) -> None:
    if fault == "traceback":
        raise RuntimeError("weights are damaged")
    if fault == "out_of_memory":
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    if fault == "no_kernel_image":
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")
    if fault == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(["sleep", "600"])  # a grandchild that a kill of the program alone would leave behind
        time.sleep(600)
    if fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)


def make(arguments: argparse.Namespace, task: dict[str, str], fault: str) -> None:
    directory = Path(arguments.result_dir, arguments.version)
    directory.mkdir(parents=True, exist_ok=True)
    frames = count_frames(task["audio_path"], fault)
    print("Extracting landmarks... time-consuming operation")
    bar(frames)
    if fault == "no_face":
        raise ZeroDivisionError("division by zero")
    print(f"Number of frames: {frames}")
    print("Starting inference")
    bar(frames)
    if fault == "swallowed_out_of_memory":
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
    if fault == "device_assert":
        raise RuntimeError("CUDA error: device-side assert triggered")
    print("Padding generated images to original video size")
    bar(frames)
    write_video(task, directory, frames, fault)
    print(f"Results saved to {directory / task['result_name']}")


def count_frames(audio: str, fault: str) -> int:
    """The real program's count, and its way out when the sound is too short for it."""
    samples = (Path(audio).stat().st_size - 44) // 2
    if fault == "early_exit":
        print("Error occurred: ")
        sys.exit()
    return int(samples / RATE * FPS)


def bar(total: int) -> None:
    for done in range(0, total + 1, max(1, total // 4)):
        sys.stderr.write(f"\r{100 * done // total:3d}%|###   | {done}/{total} [00:00<00:00, 99.00it/s]")
    sys.stderr.write("\n")


def write_video(task: dict[str, str], directory: Path, frames: int, fault: str) -> None:
    made, temporary = directory / task["result_name"], directory / "temp_face_voice.mp4"
    if fault == "no_file":
        return
    if fault == "stale_output":  # what an earlier job left, with its own time
        shutil.copy2("another_job.mp4", made)
        return
    if fault == "disk_full":
        print("av_interleaved_write_frame(): No space left on device")
        made.write_bytes(b"\0\0\0\x1cftypisom" + bytes(8180))
        return
    if fault in ("truncated", "gap"):
        frames = 20
        if fault == "gap":
            print(f"[image2 @ 0x0] Could not open file : {directory}/face_voice/00000020.png")
    print("Video generation command: ffmpeg ...")
    picture = ["-stream_loop", "-1", "-i", task["video_path"], "-frames:v", str(frames), "-an"]
    ffmpeg(*picture, "-c:v", "libx264", "-vf", "format=yuv420p", "-crf", "18", str(temporary))
    if fault == "empty_temporary":
        temporary.write_bytes(b"")
    print("Audio combination command: ffmpeg ...")
    sound = [] if fault == "missing_sound" else ["-i", task["audio_path"]]
    ffmpeg(*sound, "-i", str(temporary), str(made))
    temporary.unlink()


def ffmpeg(*arguments: str) -> None:
    """Called by name from the PATH, its outcome ignored, as the real program does."""
    subprocess.run(["ffmpeg", "-y", "-v", "warning", "-nostdin", *arguments], check=False)


if __name__ == "__main__":
    main()
