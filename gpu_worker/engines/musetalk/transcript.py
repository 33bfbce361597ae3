"""Reads the output of upstream's program: its stages, its progress, and the errors that it swallows.

The texts are those of scripts/inference.py and musetalk/utils at MuseTalk's commit 0a89dec.
"""

import collections
import re
from enum import StrEnum


class Stage(StrEnum):
    """The stages of upstream's program, in the order in which they happen."""

    LOAD = "load"
    EXTRACT = "extract"
    LANDMARKS = "landmarks"
    LATENTS = "latents"
    GENERATE = "generate"
    BLEND = "blend"
    ENCODE = "encode"
    MUX = "mux"
    DONE = "done"


MARKS = (
    ("Loaded inference config", Stage.EXTRACT),
    ("Extracting landmarks", Stage.LANDMARKS),
    ("Number of frames:", Stage.LATENTS),
    ("Starting inference", Stage.GENERATE),
    ("Padding generated images", Stage.BLEND),
    ("Video generation command:", Stage.ENCODE),
    ("Audio combination command:", Stage.MUX),
    ("Results saved to", Stage.DONE),
)
SWALLOWED = "Error occurred during processing:"  # upstream prints the exception and then exits with 0
EARLY_EXIT = re.compile(r"Error occurred:")  # its audio code prints this and calls exit(), also with 0
PROGRESS_BAR = re.compile(r"(\d+)/(\d+) \[")  # tqdm: done/total [elapsed<left, rate]
KEPT_LINES = 60  # the end of its output: a traceback through torch has about forty lines

# The progress of the phase `generating` at the start of each stage, so that a progress bar moves all the time: rough
# shares of a job of 121 s on the first system, whose loading and landmarks took as long as the generation itself.
GENERATING_BEGIN = {
    Stage.LOAD: 0.0,
    Stage.EXTRACT: 0.15,
    Stage.LANDMARKS: 0.2,
    Stage.LATENTS: 0.45,
    Stage.GENERATE: 0.5,
}
GENERATING = tuple(GENERATING_BEGIN)


class Transcript:
    """The output of one run of the program so far. Times are monotonic seconds."""

    def __init__(self, began_at: float) -> None:
        self.stage = Stage.LOAD
        self.swallowed: str | None = None
        self.exits_early = False
        self.tail: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        self._entered = {Stage.LOAD: began_at}
        self._fraction = 0.0

    def add(self, line: str, at: float) -> None:
        """Reads one line of either output; at: when it arrived."""
        bar = PROGRESS_BAR.search(line)
        if bar:
            self._fraction = min(1.0, int(bar[1]) / max(1, int(bar[2])))
            return
        self.tail.append(line)
        for sentence, stage in MARKS:
            if line.startswith(sentence):
                self.stage, self._fraction = stage, 0.0
                self._entered[stage] = at
        if line.startswith(SWALLOWED):
            self.swallowed = line.removeprefix(SWALLOWED).strip() or "an exception without a message"
        elif EARLY_EXIT.match(line):
            self.exits_early = True

    def progress(self) -> tuple[bool, float]:
        """Returns whether the generation has ended, and the part (0-1) that is done: of all work up to the end of the
        generation, or afterwards of blending."""
        if self.stage not in GENERATING:
            return True, self._fraction if self.stage is Stage.BLEND else 1.0
        place = GENERATING.index(self.stage)
        begin = GENERATING_BEGIN[self.stage]
        end = GENERATING_BEGIN[GENERATING[place + 1]] if place + 1 < len(GENERATING) else 1.0
        return False, begin + (end - begin) * self._fraction

    def generation_sec(self) -> float | None:
        """Returns the time of upstream's inference loop alone, from the first batch to the last, without loading,
        landmarks, blending and encoding; None when the loop did not end."""
        if Stage.GENERATE not in self._entered or Stage.BLEND not in self._entered:
            return None
        return round(self._entered[Stage.BLEND] - self._entered[Stage.GENERATE], 3)

    def stage_times(self, ended_at: float) -> dict[str, float]:
        """Returns the seconds of each stage that was entered; the last one ends at ended_at."""
        begins = [*self._entered.items()]
        ends = [at for _, at in begins[1:]] + [ended_at]
        return {
            str(stage): round(end - begin, 3)
            for (stage, begin), end in zip(begins, ends, strict=True)
            if stage is not Stage.DONE
        }
