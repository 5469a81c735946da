"""Rows of one batch that differ in every input, on two accelerators: the same together, and each alone."""

import torch

from pipeline.accelerators.engines import Engines, Shapes
from pipeline.denoiser import ConditioningRows

TOLERANCE = 1e-3
"""Largest difference of two accelerators, relative to the largest value."""

Rows = dict[str, torch.Tensor]


def random_rows(shapes: Shapes, **given: torch.Tensor) -> Rows:
    """Return three rows of every input by name. Those that are `given` are not random."""
    generator = torch.Generator().manual_seed(4)
    rows = {name: torch.randn(3, *shape, generator=generator) for name, shape in shapes.row_inputs.items()}
    times = torch.tensor([900.0, 500.0, 20.0])
    ends = torch.tensor([500.0, 20.0, 0.0])
    return rows | {"timesteps": torch.stack([times, ends], dim=1) if shapes.second_time else times} | given


def denoise(engines: Engines, rows: Rows) -> torch.Tensor:
    """Return the output of the denoiser."""
    texts = {name: part for name, part in rows.items() if name not in ("latents", "timesteps")}
    return engines.denoiser(rows["latents"], rows["timesteps"], ConditioningRows.of(texts)).clone()


def effect(engines: Engines, rows: Rows, **changed: torch.Tensor) -> list[bool]:
    """Return for each row whether other inputs move its output by 30 times the tolerance."""
    expected = denoise(engines, rows)
    moved = (denoise(engines, rows | changed) - expected).abs().amax((1, 2, 3)) / expected.abs().max()
    return [float(each) > 30 * TOLERANCE for each in moved]


def assert_equal_rows(engines: Engines, reference: Engines, rows: Rows) -> None:
    """Check the rows together, and each alone, against those of the reference together."""
    expected = denoise(reference, rows)
    size = float(expected.abs().max())
    assert float((denoise(engines, rows) - expected).abs().max()) / size < TOLERANCE
    for row in range(3):
        alone = denoise(engines, {name: part[row : row + 1] for name, part in rows.items()})
        assert float((alone - expected[row]).abs().max()) / size < TOLERANCE


def assert_equal_weights_of_loras(engines: Engines, reference: Engines, shapes: Shapes) -> None:
    """Check three rows with weights of their own of two LoRAs. In the reference each acts on its own row alone."""
    weights = torch.tensor([[0.0, 0.0], [1.0, -0.5], [-2.0, 1.5]])
    for loras in (weights, weights.flip(0)):
        rows = random_rows(shapes, loras=loras)
        expected = denoise(reference, rows)
        for row, column in ((1, 0), (1, 1), (2, 0)):
            changed = loras.clone()
            changed[row, column] += 1.0
            assert effect(reference, rows, loras=changed)[row], "a LoRA has no effect"
            moved = (denoise(reference, rows | {"loras": changed}) - expected).abs().amax((1, 2, 3))
            assert moved.sum() == moved[row], "a weight acts on another row"
        assert_equal_rows(engines, reference, rows)
