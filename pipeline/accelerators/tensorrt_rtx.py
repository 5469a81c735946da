"""TensorRT-RTX: engines that are built anywhere, and compiled for the card when they are loaded.

Written for hardware and not yet run on any (`pipeline.accelerators.tensorrt_network`); building is tested everywhere.
"""

from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.tensorrt import engines_are_kept, engines_of
from pipeline.accelerators.tensorrt_library import TENSORRT_RTX
from pipeline.models import Model


def build(model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
    """As `pipeline.accelerators.tensorrt.build`."""
    return engines_of(TENSORRT_RTX, model, shapes, preparation)


def is_kept(model: Model, shapes: Shapes, preparation: Preparation) -> bool:
    """Whether `build` finds all its engines in the cache."""
    return engines_are_kept(TENSORRT_RTX, model, shapes, preparation)
