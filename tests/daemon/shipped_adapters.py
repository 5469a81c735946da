"""Adapters of random numbers for the shipped model: a LoRA, a ControlNet and an IP-Adapter. Written without torch."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import pipeline.shipped

UNET = Path(pipeline.shipped.__file__).parent / "model" / "unet"


def lora_of_the_shipped_model(folder: Path) -> str:
    """Return a LoRA for the shipped model: one random branch, at its last layer."""
    out, taken, *kernel = load_file(*UNET.glob("*.safetensors"))["conv_out.weight"].shape
    random, file = np.random.default_rng(3), folder / "stripes.safetensors"
    down = random.standard_normal((2, taken, *kernel)).astype(np.float32)
    up = random.standard_normal((out, 2, 1, 1)).astype(np.float32)
    save_file({"unet.conv_out.lora_A.weight": 0.1 * down, "unet.conv_out.lora_B.weight": 0.3 * up}, file)
    return str(file)


def controlnet_of_the_shipped_model(folder: Path) -> str:
    """Return the folder of a ControlNet for the shipped model: its way down, with random numbers beside it."""
    config, random = json.loads((UNET / "config.json").read_text()), np.random.default_rng(4)
    kept = ("conv_in", "time_embedding", "add_embedding", "down_blocks", "mid_block")
    tensors = {name: each for name, each in load_file(*UNET.glob("*.safetensors")).items() if name.startswith(kept)}

    def convolution(name: str, out: int, taken: int, side: int) -> None:
        weight = random.standard_normal((out, taken, side, side)) * 1.7 / side / taken**0.5
        tensors[f"controlnet_{name}.weight"] = weight.astype(np.float32)
        tensors[f"controlnet_{name}.bias"] = np.zeros(out, np.float32)

    first, *wider = config["block_out_channels"]
    embedding = (8, 8, 16, 16)  # from the size of a picture to that of its latent
    convolution("cond_embedding.conv_in", 8, 3, 3)
    for place, (taken, out) in enumerate(pairwise(embedding)):
        convolution(f"cond_embedding.blocks.{2 * place}", taken, taken, 3)
        convolution(f"cond_embedding.blocks.{2 * place + 1}", out, taken, 3)
    convolution("cond_embedding.conv_out", first, embedding[-1], 3)
    residuals = [first, first, first, wider[0], wider[0], wider[1]]  # a layer a block, and the halving between two
    for place, width in enumerate(residuals):
        convolution(f"down_blocks.{place}", width, width, 1)
    convolution("mid_block", wider[1], wider[1], 1)
    net = folder / "edges"
    net.mkdir()
    config |= {"_class_name": "ControlNetModel", "conditioning_embedding_out_channels": embedding}
    (net / "config.json").write_text(json.dumps(config))
    save_file(tensors, net / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    return str(net)


def ip_adapter_of_the_shipped_model(folder: Path) -> str:
    """Return the file of an IP-Adapter for the shipped model, with its image encoder beside it."""
    config, random = json.loads((UNET / "config.json").read_text()), np.random.default_rng(6)
    width, out, embedding = config["cross_attention_dim"], config["block_out_channels"][-1], 8
    shapes = {"image_proj.proj.weight": (4 * width, embedding), "image_proj.proj.bias": (4 * width,)}
    layers = [name for name in load_file(*UNET.glob("*.safetensors")) if name.endswith("attn2.to_k.weight")]
    for place in range(len(layers)):
        shapes |= {f"ip_adapter.{2 * place + 1}.to_{part}_ip.weight": (out, width) for part in "kv"}
    # Large values, because attention of random numbers says little to a trained network.
    sizes = {name: 30.0 if "to_v_ip" in name else 1.0 for name in shapes}
    tensors = {name: (sizes[name] * random.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()}
    tensors |= {
        "image_proj.norm.weight": np.ones(width, np.float32),
        "image_proj.norm.bias": np.zeros(width, np.float32),
    }
    adapter = folder / "images"
    _write_image_encoder(adapter / "image_encoder", embedding)
    save_file(tensors, adapter / "ip-adapter.safetensors")
    return str(adapter / "ip-adapter.safetensors")


def _write_image_encoder(folder: Path, embedding: int) -> None:
    random, width, patches = np.random.default_rng(7), 16, 16
    matrices = {f"self_attn.{part}_proj": (width, width) for part in ("q", "k", "v", "out")}
    matrices |= {"mlp.fc1": (2 * width, width), "mlp.fc2": (width, 2 * width)}
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.class_embedding": (width,),
        "embeddings.patch_embedding.weight": (width, 3, 8, 8),
        "embeddings.position_embedding.weight": (patches + 1, width),
    }
    for name, shape in matrices.items():
        shapes |= {f"encoder.layers.0.{name}.weight": shape, f"encoder.layers.0.{name}.bias": shape[:1]}
    tensors = {
        f"vision_model.{name}": random.standard_normal(shape) / shape[-1] ** 0.5 for name, shape in shapes.items()
    }
    for norm in ("pre_layrnorm", "post_layernorm", "encoder.layers.0.layer_norm1", "encoder.layers.0.layer_norm2"):
        tensors |= {f"vision_model.{norm}.weight": np.ones(width), f"vision_model.{norm}.bias": np.zeros(width)}
    tensors["visual_projection.weight"] = random.standard_normal((embedding, width))
    folder.mkdir(parents=True)
    numbers = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    save_file(numbers, folder / "model.safetensors", metadata={"format": "pt"})
    settings = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes = {"image_size": 32, "patch_size": 8, "projection_dim": embedding}
    kind = {"architectures": ["CLIPVisionModelWithProjection"], "model_type": "clip_vision_model"}
    (folder / "config.json").write_text(json.dumps(kind | settings | sizes))
