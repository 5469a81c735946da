"""Offline rendering of a clip or a still: every frame in, every frame out, the same file every time.

The same `ImageStream` as in a show, at the same pace, with the frame number in place of the clock.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice, tee

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from daemon.commands.clip_processors import ClipProcessors
from daemon.commands.clip_words import ClipWords
from daemon.commands.played_controls import PlayedPicture, silence
from daemon.commands.preset_course import preset_pictures
from daemon.commands.render_output import replace_when_whole
from daemon.commands.render_plan import RenderPlan
from daemon.commands.terminal import progress_bar
from daemon.shared.threads import run_in_threads
from io_bridges.audio.heard_file import HeardFile
from io_bridges.clip import ClipWriter, decode_clip
from io_bridges.framing import Framing, fit
from io_bridges.output_grade import NEUTRAL, apply_grade
from pipeline.image_stream import ImageStream
from pipeline.similar_frame_filter import SimilarFrameFilter
from presets.build import Build, TextEncoderRule
from presets.errors import BridgeError
from presets.frame_parameters import FrameParameters
from presets.known_words import LONGEST_QUOTE, KnownWords
from presets.parameters import Parameters
from presets.vocabulary import Vocabulary

Picture = NDArray[np.uint8]
"""RGB ``[H, W, 3]``."""


def render_clip(
    plan: RenderPlan, threads: int | None, skip_memory_check: bool = False, text_encoder: TextEncoderRule = "auto"
) -> None:
    """Redraw the clip of `plan` into its output, with a progress bar on standard error.

    Raises `StreamflowError`; the output is then as it was.
    """
    parameters = plan.parameters
    with (
        progress_bar() as progress,
        ClipProcessors(plan.processors) as processors,
        replace_when_whole(plan.output) as aside,
        # Opened before the model loads: a name that can't be written is refused at once.
        ClipWriter(aside, parameters.width, parameters.height, plan.fps) as writer,
    ):
        processors.check(plan.presets.values())
        stream = load_stream(parameters, threads, progress, skip_memory_check, text_encoder)
        for note in plan_notes(plan, stream.vocabulary):
            progress.console.print(note, markup=False)
        bar = progress.add_task(f"redrawing {plan.source.name}", total=plan.total)
        frames, framing, grade = courses(plan)
        frames, before, after = tee(frames, 3)
        clip = zip(islice(decode_clip(plan.source), plan.limit), framing, strict=False)
        pictures = (fit(frame, stream.width, stream.height, framed) for frame, framed in clip)
        changed = processors.changed("before", pictures, (each.parameters.processor for each in before))
        drawn = redraw(stream, changed, frames, lambda: progress.advance(bar))
        for picture in grade(processors.changed("after", drawn, (each.parameters.processor for each in after))):
            writer.write(picture)
        if not writer.count:
            raise BridgeError(f"{plan.source} has no frame that can be decoded")
        if note := plan.missed_note(writer.count):
            progress.console.print(note, markup=False)


def load_stream(
    parameters: Parameters,
    threads: int | None,
    progress: Progress,
    skip_memory_check: bool = False,
    text_encoder: TextEncoderRule = "auto",
) -> ImageStream:
    """Load the model that `parameters` ask for, with a bar of its own. Raises what `ImageStream.build` raises."""
    bar = progress.add_task("loading the model", total=100)
    stream = ImageStream.build(
        Build.of(parameters, threads=threads, skip_memory_check=skip_memory_check, text_encoder=text_encoder),
        lambda text, fraction: progress.update(bar, description=text, completed=round(fraction * 100)),
        run_in_threads,
    )
    progress.update(bar, description=f"{stream.description['accelerator']} is ready", completed=100)
    return stream


def plan_notes(plan: RenderPlan, vocabulary: Vocabulary | None) -> list[str]:
    """Return a sentence for everything in a plan that is not drawn as it is written."""
    notes = word_notes(vocabulary, plan.presets)
    if any(parameters.source2 for parameters in plan.presets.values()):
        notes.append("The second source of the preset is left out: render redraws one clip.")
    if plan.controls is not None:
        notes += [note for note in text_notes(vocabulary, plan.controls.texts()) if note not in notes]
        if plan.controls.left_out:
            left_out = ", ".join(plan.controls.left_out)
            notes.append(f"Recorded changes of {left_out} are left out: render has one clip, model and size.")
    return notes


def word_notes(vocabulary: Vocabulary | None, presets: Mapping[int, Parameters]) -> list[str]:
    """Return a sentence for each prompt that the model doesn't draw as it is written.

    Args:
        vocabulary: Words that the model knows. None if it takes any text.
        presets: Parameters by the number of the frame from which they hold.
    """
    texts = dict.fromkeys(
        text
        for parameters in presets.values()
        for text in (*(prompt.text for prompt in parameters.prompt), parameters.negative_prompt)
    )
    return text_notes(vocabulary, texts)


def text_notes(vocabulary: Vocabulary | None, texts: Iterable[str]) -> list[str]:
    """Return what `word_notes` does, for texts of which each comes once."""
    known = None if vocabulary is None else KnownWords(vocabulary)
    notes = [] if known is None else [(text, known.interpret(text).note) for text in texts]
    return [f"'{text[:LONGEST_QUOTE]}' is {note}" for text, note in notes if note]


Grading = Callable[[Iterable[Picture]], Iterator[Picture]]


def courses(plan: RenderPlan) -> tuple[Iterator[FrameParameters], Iterator[Framing], Grading]:
    """Return the parameters and the framing of each frame, without end, and the function that grades what is drawn."""
    hear = silence if plan.audio is None else HeardFile(plan.audio).at
    if plan.controls is None:
        played = preset_pictures(plan.presets, float(plan.fps), hear)
    else:
        played = plan.controls.pictures(plan.fps, hear)
    # They are read in turn, so that as many wait as pictures are in flight.
    frames, framing, grades = tee(played, 3)
    return (each.frame for each in frames), (each.framing for each in framing), partial(graded, grades)


def graded(played: Iterable[PlayedPicture], drawn: Iterable[Picture]) -> Iterator[Picture]:
    """Yield the pictures as they go out."""
    held: Picture | None = None
    for picture, each in zip(drawn, played, strict=False):
        held = picture if held is None or not each.is_frozen else held
        yield held if each.grade == NEUTRAL else apply_grade(held, each.grade)


def redraw(
    stream: ImageStream,
    pictures: Iterable[Picture],
    frames: Iterable[FrameParameters],
    on_picture: Callable[[], None],
) -> Iterator[Picture]:
    """Redraw every picture, in order. A picture that is skipped repeats the output before it.

    Args:
        stream: The loaded model.
        pictures: uint8 ``[H, W, 3]`` of the stream's size.
        frames: The parameters of each picture; there may be more of them.
        on_picture: Called once for each picture, for a progress bar.

    Yields:
        uint8 ``[H, W, 3]``, one for each of `pictures`.

    Raises:
        ModelError: a text can't be encoded, or the image beside a prompt can't be read.
    """
    skip_filter = SimilarFrameFilter(stream.width, stream.height)
    repeats: deque[int] = deque()  # outputs of each picture in flight: itself, and those skipped after it
    last: Picture | None = None
    words = ClipWords(stream)

    def step() -> Iterator[Picture]:
        nonlocal last
        for finished in stream.step():
            last = finished.pixels
            for _ in range(repeats.popleft()):
                on_picture()
                yield last

    waiting = 0  # admitted since the last step
    for number, (picture, frame) in enumerate(zip(pictures, frames, strict=False)):
        if skip_filter.should_skip(picture, frame.parameters, frame):
            if repeats:
                repeats[-1] += 1
            elif last is not None:
                on_picture()
                yield last
            continue
        while not stream.free:
            yield from step()
        stream.admit(picture, frame, words.encode(frame.wording), number)
        skip_filter.record_admitted(picture, frame)
        repeats.append(1)
        waiting += 1
        if waiting >= frame.parameters.frame_buffer:
            waiting = 0
            yield from step()
            while frame.parameters.low_latency and stream.in_flight:
                yield from step()
    while stream.in_flight:
        yield from step()
