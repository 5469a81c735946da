"""Settings shared by the tests of TensorRT engines."""

from pathlib import Path

from pipeline.accelerators.engines import Shapes
from pipeline.accelerators.tensorrt_engines import EngineBuilder, engine_builder
from pipeline.accelerators.tensorrt_library import TENSORRT_RTX
from pipeline.models import Model

SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 10)
CAPABILITY = "8.9"


def check_progress(text: str, fraction: float) -> None:
    assert text
    assert 0 <= fraction <= 1


def builder_of(tiny: Model, root: Path) -> EngineBuilder:
    return engine_builder(TENSORRT_RTX, CAPABILITY, "float32", tiny, SHAPES, root)
