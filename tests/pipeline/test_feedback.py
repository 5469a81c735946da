"""Feedback: the warp equals scikit-image's, the mix equals the formula, and no frame allocates memory."""

import tracemalloc

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.transform import AffineTransform, warp

from pipeline.feedback import Feedback
from pipeline.picture_warps import TorchWarps
from presets.parameters import Parameters

WIDTH, HEIGHT = 96, 64


def smooth_image(seed: int) -> NDArray[np.uint8]:
    """Return a smooth image, in which interpolation matters and aliasing does not."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [128 + 60 * np.sin(x / a + p) + 60 * np.cos(y / b) for a, b, p in rng.uniform(6, 20, (3, 3))]
    return np.stack(waves, -1).clip(0, 255).astype(np.uint8)


KINDS = ["host", "torch"]


def feedback_by(kind: str) -> Feedback:
    """Return feedback that is computed on the host, or by torch as on a GPU."""
    return Feedback(WIDTH, HEIGHT, TorchWarps(WIDTH, HEIGHT, torch.device("cpu")) if kind == "torch" else None)


def mix(feedback: Feedback, source: NDArray[np.uint8] | None, parameters: Parameters) -> NDArray[np.uint8]:
    out = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    on_device = feedback.mix(source, parameters, out)
    return out if on_device is None else on_device[0].numpy().copy()


def mixed(
    source: NDArray[np.uint8] | None, last: NDArray[np.uint8], kind: str = "host", **values: float
) -> NDArray[np.uint8]:
    feedback = feedback_by(kind)
    feedback.remember(last, 0)
    parameters = Parameters.model_validate(values)
    assert feedback.is_active(parameters)
    return mix(feedback, source, parameters)


def one_warp(zoom: float, rotate: float, x: float, y: float) -> AffineTransform:
    """Return one warp as scikit-image's composition: about the centre, then shifted. Its y points down."""
    middle = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
    return (
        AffineTransform(translation=-middle)
        + AffineTransform(scale=zoom, rotation=-np.deg2rad(rotate))
        + AffineTransform(translation=middle)
        + AffineTransform(translation=(x * WIDTH, -y * HEIGHT))
    )


def scikit_warp(last: NDArray[np.uint8], *warped: float) -> NDArray[np.float64]:
    out: NDArray[np.float64] = warp(last, one_warp(*warped).inverse, order=1, mode="symmetric", preserve_range=True)
    return out


@pytest.mark.parametrize(
    ("zoom", "rotate", "x", "y"),
    [
        (1.02, 0.0, 0.0, 0.0),
        (1.0, 7.0, 0.0, 0.0),
        (1.0, 0.0, 0.1, 0.0),
        (1.0, 0.0, 0.0, 0.1),
        (0.5, -30.0, -0.5, 0.5),
        (2.0, 180.0, 0.25, -0.25),
        (1.1, 90.0, 0.01, 0.02),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_warp_equals_scikit_image(kind: str, zoom: float, rotate: float, x: float, y: float) -> None:
    last = smooth_image(0)
    out = mixed(None, last, kind, feedback=0.3, feedback_zoom=zoom, feedback_rotate=rotate, feedback_x=x, feedback_y=y)
    expected = scikit_warp(last, zoom, rotate, x, y)
    assert np.abs(expected - last).mean() > 1, "the warp must change the image"
    difference = np.abs(out - expected)
    assert difference.mean() < 0.5  # OpenCV interpolates at 1/32 pixel
    assert difference.max() < 6


def test_warp_directions() -> None:
    def mark(**values: float) -> tuple[float, float]:
        last = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        last[16:24, 64:72] = 255  # right of the centre, and above it
        y, x = np.nonzero(mixed(None, last, feedback=1.0, **values)[..., 0] > 127)
        return float(x.mean()), float(y.mean())

    x, y = mark()
    assert mark(feedback_x=0.125) == (x + WIDTH / 8, y), "to the right"
    assert mark(feedback_y=0.125) == (x, y - HEIGHT / 8), "up"
    middle_x, middle_y = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
    turned_x, turned_y = mark(feedback_rotate=90)
    assert turned_x == pytest.approx(middle_x - (middle_y - y), abs=0.6), (
        "counter-clockwise: right becomes up, up becomes left"
    )
    assert turned_y == pytest.approx(middle_y - (x - middle_x), abs=0.6)
    zoomed_x, zoomed_y = mark(feedback_zoom=1.2)
    assert zoomed_x == pytest.approx(middle_x + 1.2 * (x - middle_x), abs=0.6)
    assert zoomed_y == pytest.approx(middle_y + 1.2 * (y - middle_y), abs=0.6)


@pytest.mark.parametrize("kind", KINDS)
def test_motion_with_frames_in_flight(kind: str) -> None:
    """The newest output is warped once for each frame since, and has the weight 1/N in a running mean."""
    warped_by = (1.1, -9.0, 0.03, -0.02)
    names = ("feedback_zoom", "feedback_rotate", "feedback_x", "feedback_y")
    parameters = Parameters.model_validate({"feedback": 0.5} | dict(zip(names, warped_by, strict=True)))
    once, feedback, outputs = one_warp(*warped_by), feedback_by(kind), [smooth_image(index) for index in range(8)]

    def warped(pixels: NDArray[np.float64], times: int) -> NDArray[np.float64]:
        whole = AffineTransform(matrix=np.eye(3))
        for _ in range(times):
            whole = whole + once
        out: NDArray[np.float64] = warp(pixels, whole.inverse, order=1, mode="symmetric", preserve_range=True)
        return out

    feedback.remember(outputs[0], feedback.mix_count)
    mean = np.zeros(outputs[0].shape)
    for number in range(1, 8):
        out = mix(feedback, None, parameters)
        since = min(number, 3)  # three frames in flight: the first output comes after three inputs
        newest = warped(outputs[max(0, number - 3)].astype(float), since)
        mean = newest if number < 3 else warped(mean, 1) * (1 - 1 / since) + newest / since
        assert np.abs(out - mean).mean() < 0.5
        if number >= 3:
            feedback.remember(outputs[number - 2], number - 2)
    assert np.abs(newest - mean).mean() > 10
    feedback.remember(outputs[6], 5)  # an output without feedback in it
    out = mix(feedback, None, parameters)
    assert np.abs(out - warped(outputs[6].astype(float), 3)).mean() < 0.5, "the mean starts again"
    feedback.remember(outputs[7], feedback.mix_count)
    out = mix(feedback, None, parameters)
    assert np.abs(out - warped(outputs[7].astype(float), 1)).mean() < 0.5, "with one frame in flight there is no mean"


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_mix_is_a_weighted_sum(kind: str, share: float) -> None:
    source, last = smooth_image(1), smooth_image(2)
    expected = (1 - share) * source.astype(float) + share * last
    assert np.abs(mixed(source, last, kind, feedback=share) - expected).max() <= 0.5 + 1e-3
    assert (mixed(None, last, kind, feedback=share) == last).all()


def test_is_active() -> None:
    feedback, enabled = Feedback(WIDTH, HEIGHT), Parameters(feedback=0.5)
    assert not feedback.is_active(enabled)
    feedback.remember(smooth_image(0), 0)
    assert feedback.is_active(enabled)
    assert not feedback.is_active(Parameters())
    feedback.forget()
    assert not feedback.is_active(enabled)


def test_remember_copies_the_output() -> None:
    feedback, last = Feedback(WIDTH, HEIGHT), smooth_image(0)
    feedback.remember(last, 0)
    kept = last.copy()
    last[:] = 0
    out = np.zeros_like(last)
    feedback.mix(None, Parameters(feedback=1.0), out)
    assert (out == kept).all()


def test_no_memory_per_frame() -> None:
    feedback, source = Feedback(WIDTH, HEIGHT), smooth_image(0)
    parameters = Parameters(feedback=0.5, feedback_zoom=1.05, feedback_rotate=3.0)
    out = np.zeros_like(source)
    for _ in range(3):
        feedback.remember(source, feedback.mix_count)
        feedback.mix(source, parameters, out)
    tracemalloc.start()  # traces numpy arrays, which OpenCV returns too
    try:
        for _ in range(50):
            feedback.remember(out, feedback.mix_count)
            feedback.mix(source, parameters, out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < source.nbytes / 2


def test_repeated_zoom_is_limited() -> None:
    """A smaller zoom would only cost time."""
    last, out = smooth_image(5), [np.zeros((HEIGHT, WIDTH, 3), np.uint8) for _ in range(2)]
    for times, place in ((2, 0), (9, 1)):
        feedback = Feedback(WIDTH, HEIGHT)
        feedback.remember(last, 0)
        feedback.mix_count = times - 1
        feedback.mix(None, Parameters(feedback=1.0, feedback_zoom=0.5), out[place])
    np.testing.assert_array_equal(*out)
    assert np.abs(out[0].astype(int) - last).mean() > 2


def test_mix_of_a_device_is_encoded_there() -> None:
    """The result of torch is a picture as `Engines.encode` takes it. Without an NVIDIA GPU there is none."""
    feedback, last, out = feedback_by("torch"), smooth_image(5), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    feedback.remember(last, 0)
    on_device = feedback.mix(None, Parameters(feedback=1.0), out)
    assert on_device is not None
    assert (on_device.shape, on_device.dtype) == ((1, HEIGHT, WIDTH, 3), torch.uint8)
    host = feedback_by("host")
    host.remember(last, 0)
    host.move_to(torch.device("mps"))
    assert host.mix(None, Parameters(feedback=1.0), out) is None
    assert (out == last).all()
