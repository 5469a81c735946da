"""Single-file checkpoints in the layout of Stable Diffusion's first release, made from folders in diffusers' format.

The names are those of CompVis' and Stability's code, written down from it: the reverse of what diffusers converts.
"""

import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

Weights = dict[str, torch.Tensor]

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def write_single_file(folder: Path, path: Path, layers: int = 1) -> None:
    """Write the weights of a folder of Stable Diffusion or SDXL as one file. `layers` is the UNet's per block."""
    unet = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    attention = {name.split(".attentions")[0] for name in unet if ".attentions." in name}
    weights = {f"model.diffusion_model.{_unet(name, layers, attention)}": each for name, each in unet.items()}
    vae = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    sizes = len({name.split(".")[2] for name in vae if name.startswith("decoder.up_blocks.")})
    for name, each in vae.items():
        squared = ".attentions." in name and name.endswith("weight") and each.dim() == 2
        weights[f"first_stage_model.{_vae(name, sizes)}"] = each[:, :, None, None] if squared else each
    first = load_file(folder / "text_encoder" / "model.safetensors")
    two = (folder / "text_encoder_2").is_dir()
    prefix = "conditioner.embedders.0.transformer." if two else "cond_stage_model.transformer."
    weights |= {f"{prefix}{_with_prefix(name)}": each for name, each in first.items()}
    if two:
        second = load_file(folder / "text_encoder_2" / "model.safetensors")
        weights |= {f"conditioner.embedders.1.model.{name}": each for name, each in _open_clip(second).items()}
    save_file({name: each.contiguous() for name, each in weights.items()}, path)


def _unet(name: str, layers: int, attention: set[str]) -> str:
    for new, old in _ENDS.items():
        if name.startswith(f"{new}."):
            return name.replace(new, old, 1)
    if ".resnets." in name:
        for new, old in _RESNET.items():
            name = name.replace(f".{new}.", f".{old}.")
    if found := re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", name):
        block, layer = int(found[2]), int(found[4])
        place = (layers + 1) * block + layer + (found[1] == "down")
        kind = "input_blocks" if found[1] == "down" else "output_blocks"
        return f"{kind}.{place}.{int(found[3] == 'attentions')}.{name[found.end() :]}"
    if found := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.", name):
        return f"input_blocks.{(layers + 1) * (int(found[1]) + 1)}.0.op.{name[found.end() :]}"
    if found := re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.", name):
        last = (layers + 1) * int(found[1]) + layers
        return f"output_blocks.{last}.{1 + (f'up_blocks.{found[1]}' in attention)}.conv.{name[found.end() :]}"
    if found := re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.", name):
        place = 1 if found[1] == "attentions" else 2 * int(found[2])
        return f"middle_block.{place}.{name[found.end() :]}"
    raise AssertionError(name)


def _vae(name: str, sizes: int) -> str:
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    if ".attentions.0." in name:
        head, _, part = name.partition(".attentions.0.")
        for new, old in _VAE_ATTENTION.items():
            part = re.sub(rf"^{re.escape(new)}\.", f"{old}.", part)
        return f"{head.replace('mid_block', 'mid')}.attn_1.{part}"
    name = re.sub(r"mid_block\.resnets\.(\d+)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    name = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", name)
    name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", name)
    name = re.sub(r"up_blocks\.(\d+)\.resnets\.", lambda found: f"up.{sizes - 1 - int(found[1])}.block.", name)
    return re.sub(r"up_blocks\.(\d+)\.upsamplers\.0\.", lambda found: f"up.{sizes - 1 - int(found[1])}.upsample.", name)


def _with_prefix(name: str) -> str:
    return name if name.startswith("text_model.") else f"text_model.{name}"


def _open_clip(weights: Weights) -> Weights:
    """Return OpenCLIP's names, in which query, key and value are one matrix and the projection is transposed."""
    found: Weights = {}
    layers = {int(match[1]) for name in weights if (match := re.search(r"layers\.(\d+)\.", name))}
    plain = {name.removeprefix("text_model."): each for name, each in weights.items()}
    found["token_embedding.weight"] = plain["embeddings.token_embedding.weight"]
    found["positional_embedding"] = plain["embeddings.position_embedding.weight"]
    found["text_projection"] = plain["text_projection.weight"].T
    for end in ("weight", "bias"):
        found[f"ln_final.{end}"] = plain[f"final_layer_norm.{end}"]
        for layer in layers:
            here, there = f"encoder.layers.{layer}", f"transformer.resblocks.{layer}"
            parts = [plain[f"{here}.self_attn.{part}_proj.{end}"] for part in "qkv"]
            found[f"{there}.attn.in_proj_{end}"] = torch.cat(parts)
            for new, old in {
                "self_attn.out_proj": "attn.out_proj",
                "layer_norm1": "ln_1",
                "layer_norm2": "ln_2",
                "mlp.fc1": "mlp.c_fc",
                "mlp.fc2": "mlp.c_proj",
            }.items():
                found[f"{there}.{old}.{end}"] = plain[f"{here}.{new}.{end}"]
    return found
