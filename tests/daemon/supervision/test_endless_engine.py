"""Foreign engine whose network never ends, with the shipped model: given up after a bound of its own."""

from pathlib import Path

import pytest
from rig import ECHO, Rig, until

from daemon.supervision.renderer_process import SILENCE
from presets.build import Build

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def endless_network(path: Path) -> Path:
    """Write a denoiser of the shipped model at 64x64 that loops without end."""
    from onnx import TensorProto, helper

    latent = ["rows", 48, 8, 8]  # the noised latent and the source
    inputs = [
        helper.make_tensor_value_info("sample", TensorProto.FLOAT, latent),
        helper.make_tensor_value_info("timestep", TensorProto.FLOAT, ["rows"]),
        helper.make_tensor_value_info("encoder_hidden_states", TensorProto.FLOAT, ["rows", 32, 128]),
    ]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["condition"], ["condition_out"]),
            helper.make_node("Sin", ["carried"], ["carried_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("iteration", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, latent),
        ],
        [
            helper.make_tensor_value_info("condition_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried_out", TensorProto.FLOAT, latent),
        ],
    )
    always = helper.make_tensor("always", TensorProto.BOOL, [], [True])
    loop = helper.make_node("Loop", ["", "always", "sample"], ["looped"], body=body)
    half = helper.make_node("Split", ["looped"], ["out", "rest"], axis=1, num_outputs=2)
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["rows", 24, 8, 8])]
    graph = helper.make_graph([loop, half], "endless", inputs, outputs, [always])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


@pytest.mark.timeout(300)
def test_endless_engine_is_given_up(tmp_path: Path) -> None:
    assert SILENCE["verifying"] <= 30
    path = endless_network(tmp_path / "endless.onnx")
    with Rig(verifying=2.0) as rig:
        until(lambda: rig.on_air_build == ECHO)
        count = len(rig.aired)
        rig.wanted = Build(width=64, height=64, accelerator="eager", engine=str(path), threads=1)
        until(lambda: rig.supervisor.status().get("next", {}).get("phase") == "verifying", 120)
        status = rig.supervisor.status()
        assert status["next"]["text"] == f"waiting for the first answer of {path}"
        assert status["meanwhile"] == f"plays on none, waiting for the first answer of {path}"
        until(lambda: rig.went_back, 60)
        ((build, reason),) = rig.went_back
        assert build == ECHO
        assert "while verifying: waiting for the first answer of" in reason
        assert len(rig.aired) > count, "what was on air plays on"
