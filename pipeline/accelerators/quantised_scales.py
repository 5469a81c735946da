"""Types of the scales in an ONNX file in 8 bits.

A tensor and its scale must have one type. NVIDIA's Model Optimizer gives the output of each softmax a scale in float32,
also in a network in float16.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from presets.errors import AcceleratorUnavailable

ROUNDS, RESTORES = "QuantizeLinear", "DequantizeLinear"
"""Operators that have a scale: to 8 bits, and back."""


def match_types(path: Path) -> int:
    """Give each scale in a file the type of the tensor that it scales, in place. Return the number that had another.

    Raises:
        AcceleratorUnavailable: a scale of another type is not in the file itself.
    """
    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    types, constants = _types(model), {each.name: each for each in graph.initializer}
    rounded: dict[str, int] = {}
    """Type behind each tensor in 8 bits, by name."""
    changed = 0
    for node in graph.node:
        if node.op_type == ROUNDS:
            wanted = rounded[node.output[0]] = types.get(node.input[0], 0)
        elif node.op_type == RESTORES:
            wanted = rounded.get(node.input[0], 0)
        else:
            continue
        scale = constants.get(node.input[1])
        if scale is not None and wanted and scale.data_type != wanted:
            converted = _converted(scale, wanted)
            if converted.name not in constants:
                constants[converted.name] = converted
                graph.initializer.append(converted)
            node.input[1] = converted.name
            changed += 1
    if changed:
        onnx.save(model, path)
    return changed


def _types(model: Any) -> dict[str, int]:
    """Return the element type of every tensor that is known, by name."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    types = {each.name: each.type.tensor_type.elem_type for each in values}
    return types | {each.name: each.data_type for each in model.graph.initializer}


def _converted(scale: Any, wanted: int) -> Any:
    """Return a scale as a constant of another type, with a name of its own."""
    if scale.data_location == onnx.TensorProto.EXTERNAL:
        raise AcceleratorUnavailable(f"The scale {scale.name} of a network in 8 bits is not in its file.")
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(wanted))
    return numpy_helper.from_array(numpy_helper.to_array(scale).astype(dtype), f"{scale.name}_{dtype.name}")
