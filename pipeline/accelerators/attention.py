"""Choice of the attention kernel for networks that torch runs: torch's own choice, flash attention or xformers."""

import importlib.util
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from pipeline.ip_adapter.image_attention import ImageAttention
from presets.errors import AcceleratorUnavailable

Attention = Literal["sdpa", "flash", "xformers"]
NAMES: tuple[str, ...] = get_args(Attention)


class _FlashAttention(nn.Module):
    """A network that runs with flash attention (arXiv:2307.08691) only. Torch raises where it can't use that kernel."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            out: torch.Tensor = self.network(*inputs)
        return out


def with_attention(network: Any, name: str, dtype: torch.dtype, device: torch.device) -> Any:
    """Return `network`, a module around one of diffusers' networks, with the attention kernel `name`.

    ``sdpa`` returns the network unchanged, ``xformers`` changes it in place.

    Raises:
        AcceleratorUnavailable: the name is unknown, or the kernel can't compute in `dtype` on `device`.
    """
    if name not in NAMES:
        raise AcceleratorUnavailable(f"There is no attention '{name}'. Choose one of {', '.join(NAMES)}.")
    if name == "flash":
        probe = torch.zeros(1, 1, 16, 16, dtype=dtype, device=device)
        try:
            with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
                scaled_dot_product_attention(probe, probe, probe)
        except RuntimeError as error:
            raise AcceleratorUnavailable(
                f"Flash attention can't compute in {dtype} on {device} ({error}). Use attention sdpa."
            ) from error
        return _FlashAttention(network)
    if name == "xformers":
        if not any(type(module).__name__ == "UNet2DConditionModel" for module in network.modules()):
            # diffusers would replace attention that also rotates positions, and compute something else in silence.
            raise AcceleratorUnavailable("xformers has the attention of UNets only. Use attention sdpa.")
        if any(isinstance(module, ImageAttention) for module in network.modules()):
            raise AcceleratorUnavailable("xformers would leave the IP-Adapter out. Use attention sdpa.")
        if importlib.util.find_spec("xformers") is None:
            raise AcceleratorUnavailable("xformers is not installed: pip install xformers, or use attention sdpa.")
        try:
            for module in network.modules():
                if hasattr(module, "enable_xformers_memory_efficient_attention"):
                    module.enable_xformers_memory_efficient_attention()
        except (ValueError, ModuleNotFoundError) as error:  # raised by diffusers without a GPU
            raise AcceleratorUnavailable(f"xformers can't be used: {error} Use attention sdpa.") from error
    return network
