"""Captured steps draw the same frames, and captures change no frame in flight.

CUDA graphs need a GPU. The recorder of these tests follows the same rules: it does not run the work that it captures,
and the function that it returns runs that work with the arguments of the capture.
"""

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from reference_frames import (
    CONDITIONING_SHAPE,
    MIXED_FRAMES,
    SHAPE,
    FrameSettings,
    conditioning,
    drain,
    draw_alone,
    network,
    noise_weights,
    schedule_of,
    source,
)

from pipeline.captured_call import CapturedCall
from pipeline.graph_capture import CapturedStep
from pipeline.guidance import Guidance, GuidanceKind
from pipeline.slots import PictureReuse
from pipeline.step_block import StepTerms
from pipeline.stream import StreamPipeline
from presets.errors import AcceleratorUnavailable

SIZES = (1, 2, 3, 4, 6, 8)


class FakeRecorder:
    def __init__(self) -> None:
        self.captured = self.replayed = 0

    def __call__(self, work: Callable[[], None]) -> Callable[[], Any]:
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            work()

        return replay


def stream_with(recorder: FakeRecorder, denoiser: Any = network, outer: Any = None) -> StreamPipeline:
    return StreamPipeline(
        denoiser,
        slots=4,
        latent_shape=SHAPE,
        conditioning=CONDITIONING_SHAPE,
        sizes=SIZES,
        second_time=True,
        dtype=torch.float64,
        recorder=recorder,
        outer=outer,
    )


def admit(stream: StreamPipeline, index: int, frame: FrameSettings) -> None:
    stream.admit(
        None if frame.strength == 1 else source(index),
        schedule_of(frame),
        conditioning(frame.text),
        guidance=Guidance(frame.guidance, frame.kind),
        noise=noise_weights(frame),
        ticket=index,
    )


def test_replayed_frames_are_exact() -> None:
    recorder = FakeRecorder()
    stream = stream_with(recorder)
    frames, out = MIXED_FRAMES * 3, dict[object, torch.Tensor]()
    for index, frame in enumerate(frames):
        while not stream.free:
            out |= {ticket: latent.clone() for latent, ticket in stream.step()}
        admit(stream, index, frame)
        if index == 2:
            stream.warm_up()
            assert recorder.captured == 4 * len(SIZES)
            assert recorder.replayed == 0
        out |= {ticket: latent.clone() for latent, ticket in stream.step()}
    out |= drain(stream)
    assert list(out) == list(range(len(frames)))
    for index, frame in enumerate(frames):
        torch.testing.assert_close(out[index], draw_alone(frame, index), rtol=0, atol=1e-10)
    assert recorder.replayed >= 5


@pytest.mark.parametrize(
    ("family", "kind", "fresh", "replayed"),
    [
        ("euler", "full", False, 4),
        ("euler", "self_negative", False, 4),
        ("euler", "onetime_negative", False, 4),  # its first row sets the anchor
        ("synthetic", "full", True, 4),  # its last row adds none
        ("synthetic", "full", False, 1),
    ],
)
def test_every_guidance_kind_is_replayed(family: str, kind: GuidanceKind, fresh: bool, replayed: int) -> None:
    recorder = FakeRecorder()
    stream = stream_with(recorder)
    stream.warm_up(fresh)
    before = recorder.captured
    frame = FrameSettings(4, 0.9, 2.0, 0, 0, family, kind)
    admit(stream, 0, frame)
    finished = [each for _ in range(4) for each in stream.step()]
    assert recorder.captured == before, "a capture during the show would stall it"
    assert recorder.replayed == replayed
    torch.testing.assert_close(finished[0].latent, draw_alone(frame, 0), rtol=0, atol=1e-10)


def test_mixed_kinds_share_a_capture() -> None:
    recorder = FakeRecorder()
    stream = stream_with(recorder)
    stream.warm_up()
    kinds: tuple[tuple[GuidanceKind, float], ...] = (
        ("full", 2.0),
        ("free", 1.5),
        ("onetime_negative", 1.8),
        ("full", 1.0),
    )
    frames = [
        FrameSettings(4, 0.9, scale, index, index % 2, "euler", kind) for index, (kind, scale) in enumerate(kinds)
    ]
    for index, frame in enumerate(frames):
        admit(stream, index, frame)
    out = {ticket: latent.clone() for _ in range(4) for latent, ticket in stream.step()}
    assert recorder.replayed == 4
    for index, frame in enumerate(frames):
        torch.testing.assert_close(out[index], draw_alone(frame, index), rtol=0, atol=1e-10)


def test_narrowest_capture_is_replayed() -> None:
    ran: list[tuple[int, StepTerms]] = []

    class State:
        def send_empty(self) -> None: ...

        def advance(self, size: int, terms: StepTerms, reuses: bool = False) -> None:
            ran.append((size, terms))

    def terms(letters: str) -> StepTerms:
        return StepTerms(*(letter in letters for letter in "urfa"))

    captured = CapturedStep(State(), FakeRecorder())
    captured.prepare([2, 4], map(terms, ("", "u", "r", "ura")))
    for needed, replayed in (("", ""), ("u", "u"), ("r", "r"), ("a", "ura"), ("ur", "ura"), ("ua", "ura")):
        for _ in range(2):  # searched once, then cached
            ran.clear()
            captured.advance(2, terms(needed))
            assert ran == [(2, terms(replayed))]
    ran.clear()
    captured.advance(2, terms("f"))
    captured.advance(3, terms("u"))
    assert ran == [(2, terms("f")), (3, terms("u"))], "terms without a capture run uncaptured"


class FailingRecorder(FakeRecorder):
    """Fails as torch does, for captures from a number on."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self._first = first

    def __call__(self, work: Callable[[], None]) -> Callable[[], Any]:
        if self.captured >= self._first:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nCUDA kernel errors")
        return super().__call__(work)


def test_failed_capture_changes_no_picture(caplog: pytest.LogCaptureFixture) -> None:
    recorder = FailingRecorder(5)
    stream = stream_with(recorder)
    with caplog.at_level(logging.WARNING):
        stream.warm_up()
    assert stream.captured is not None
    assert [record.message for record in caplog.records] == [f"{stream.captured.problem}."], "one sentence"
    assert stream.captured.problem == (
        "a step of 6 rows is launched kernel by kernel, because it can't be captured as a CUDA graph"
        " (CUDA error: operation not permitted when stream is capturing)"
    )
    for index, frame in enumerate(MIXED_FRAMES[:3]):
        admit(stream, index, frame)
    out = drain(stream)
    for index, frame in enumerate(MIXED_FRAMES[:3]):
        torch.testing.assert_close(out[index], draw_alone(frame, index), rtol=0, atol=1e-10)
    assert recorder.captured == 5, "a capture during the show would stall it"


def test_step_that_can_not_run_is_refused() -> None:
    class State:
        def send_empty(self) -> None: ...

        def advance(self, size: int, terms: Any, reuses: bool = False) -> None:
            raise RuntimeError("CUDA error: no kernel image is available")

    with pytest.raises(AcceleratorUnavailable, match=r"A step of 3 rows can't be run: .* no kernel image"):
        CapturedStep(State(), FakeRecorder()).prepare([1, 3], ["plain"])


def test_captured_call_is_the_function() -> None:
    """A replay works on the memory of the capture, wherever its argument is."""
    calls: list[int] = []

    def double(tensor: torch.Tensor) -> torch.Tensor:
        calls.append(tensor.data_ptr())
        return 2 * tensor

    memory = torch.zeros(3)
    captured = CapturedCall("the decoder", double, memory, recorder := FakeRecorder())
    assert captured(torch.tensor([1.0, 2.0, 3.0])).tolist() == [2.0, 4.0, 6.0]
    memory.copy_(torch.tensor([7.0, 8.0, 9.0]))
    assert captured(memory).tolist() == [14.0, 16.0, 18.0]
    assert {*calls} == {memory.data_ptr()}
    assert (recorder.captured, recorder.replayed, captured.problem) == (1, 2, "")
    plain = CapturedCall("the decoder", double, memory, FailingRecorder(0))
    assert plain(torch.ones(3)).tolist() == [2.0, 2.0, 2.0]
    assert memory.tolist() == [7.0, 8.0, 9.0], "the argument itself is read"
    assert plain.problem.startswith("the decoder is launched kernel by kernel, because")


def test_reused_steps_are_captured_too() -> None:
    """A step of the outermost blocks has captures of its own: none of the whole network stands in for it."""
    called: list[str] = []

    def called_by(name: str) -> Any:
        def denoise(*inputs: Any) -> torch.Tensor:
            called.append(name)
            return network(*inputs)

        return denoise

    recorder = FakeRecorder()
    stream = stream_with(recorder, called_by("whole"), outer=called_by("outermost"))
    stream.warm_up()
    assert recorder.captured == 2 * 4 * len(SIZES)
    frame = FrameSettings(1, 1.0, 1.0, 0, 0, "euler")
    schedule, text = schedule_of(frame), conditioning(frame.text)
    called.clear()
    for _ in range(5):
        stream.admit(None, schedule, text, noise=noise_weights(frame), reuse=PictureReuse(longest=2))
        latent = stream.step()[0].latent
    assert called == ["whole", "outermost", "outermost", "whole", "outermost"]
    assert recorder.replayed == 5
    torch.testing.assert_close(latent, draw_alone(frame, 0), rtol=0, atol=1e-10)
