"""Kind of model that a LoRA was trained for, as far as its metadata, names and shapes tell."""

import re
from collections.abc import Mapping

SD1, SD2, SDXL = "Stable Diffusion 1.x", "Stable Diffusion 2.x", "SDXL"

_BY_METADATA = (
    (r"sdxl|stable-diffusion-xl", SDXL),
    (r"sd_v1|stable-diffusion-v1", SD1),
    (r"sd_v2|stable-diffusion-v2", SD2),
    (r"sd3|stable-diffusion-3", "Stable Diffusion 3"),
    (r"flux", "FLUX"),
    (r"z_?-?image", "Z-Image"),
    (r"qwen", "Qwen-Image"),
    (r"wan", "Wan"),
    (r"hunyuan", "HunyuanVideo"),
)
"""Kinds by what kohya's trainer (``ss_base_model_version``) and the Model Spec (``modelspec.architecture``) write."""

_BY_NAMES = (
    (r"double_blocks|single_blocks|single_transformer_blocks", "FLUX"),
    (r"joint_blocks|lora_te3_", "Stable Diffusion 3"),
    (r"^(transformer|diffusion_model)\.|^lora_transformer_", "a transformer, such as FLUX or Stable Diffusion 3"),
)
"""Kinds by names of layers that no UNet has."""

_TEXT_BRANCH = re.compile(r"attn2.(?:processor.)?to_[kv].*(?:down|lora_A)")
_TOLD_BY = ("ss_base_model_version", "modelspec.architecture")

_WIDTHS = {768: SD1, 1024: SD2, 2048: SDXL}
"""Kinds by the width of the texts that the network reads."""


def text_width_kind(width: object) -> str:
    """Return the kind of UNet that reads texts of this width, empty if none is known."""
    return _WIDTHS.get(width, "") if isinstance(width, int) else ""


def kind_of_lora(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> str:
    """Return the kind of model that a LoRA is for, empty if nothing tells.

    Args:
        shapes: Shape of each tensor of its file.
        metadata: Texts of the file's header.
    """
    if kind := next((kind for pattern, kind in _BY_NAMES if any(re.search(pattern, name) for name in shapes)), ""):
        return kind
    # A branch at the text has its width: "...attn2.to_k..." in diffusers' names, "..._attn2_to_k..." in kohya's.
    texts = (shape for name, shape in shapes.items() if _TEXT_BRANCH.search(name) and len(shape) > 1)
    told = " ".join(metadata.get(key, "")[:100] for key in _TOLD_BY).lower()
    told_kind = next((kind for pattern, kind in _BY_METADATA if re.search(pattern, told)), "")
    return next((kind for shape in texts if (kind := text_width_kind(shape[1]))), told_kind)
