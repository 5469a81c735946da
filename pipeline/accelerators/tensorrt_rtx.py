"""TensorRT-RTX: engines that are built anywhere and compiled for the card when they are loaded.

Not run on hardware yet (`pipeline.accelerators.tensorrt_network`). Building is tested everywhere.
"""

from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.tensorrt import engines_are_kept, engines_of
from pipeline.accelerators.tensorrt_library import TENSORRT_RTX
from pipeline.models import Model


def build(model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
    """Build or load the engines. See `pipeline.accelerators.tensorrt.build`."""
    return engines_of(TENSORRT_RTX, model, shapes, preparation)


def is_kept(model: Model, shapes: Shapes, preparation: Preparation) -> bool:
    """Return True if `build` finds all its engines in the cache."""
    return engines_are_kept(TENSORRT_RTX, model, shapes, preparation)
