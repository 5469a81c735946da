"""TensorRT: the model's graphs as engines for the card that is here, built once and kept.

Written for hardware and not yet run on any (`pipeline.accelerators.tensorrt_network`).
"""

import torch

from pipeline.accelerators import onnx_parts, tensorrt_library
from pipeline.accelerators.engines import Engines, Preparation, Shapes, left_out
from pipeline.accelerators.tensorrt_build import target
from pipeline.accelerators.tensorrt_library import TENSORRT, Flavour
from pipeline.accelerators.tensorrt_network import TensorRTNetwork
from pipeline.accelerators.tensorrt_parts import SHARES, Maker, kept, maker, parts, plans
from pipeline.accelerators.transfer import Decoding, Upload
from pipeline.denoiser import ConditioningRows, Denoiser
from pipeline.models import Model
from presets.errors import CacheError


def build(model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
    """Builds engines for this card, or takes them from the cache, and makes ready every batch size of `sizes`.

    In float16 unless another precision is asked for. The first build takes minutes; `prepare` does it ahead.

    Raises:
        AcceleratorUnavailable: no GPU, card, driver, memory or engine that would do; with the reason.
    """
    return engines_of(TENSORRT, model, shapes, preparation)


def is_kept(model: Model, shapes: Shapes, preparation: Preparation) -> bool:
    """Whether `build` finds all its engines in the cache."""
    return engines_are_kept(TENSORRT, model, shapes, preparation)


def prepare(flavour: Flavour, model: Model, shapes: Shapes, preparation: Preparation, capability: str = "") -> None:
    """Builds and keeps the engines that are not kept yet; needs no GPU for TensorRT-RTX.

    Args:
        flavour: Which TensorRT.
        model: Of which.
        shapes: For what.
        preparation: Its precision, cache and progress count, and whether there is an engine for the denoiser.
        capability: Of the card to build for, as ``8.9``; empty is the one that is here.

    Raises:
        AcceleratorUnavailable: as in `build`.
        CacheError: what was built could not be kept; why, progress was told.
    """
    made = _maker(flavour, model, shapes, preparation, capability)
    wanted = parts(made, model, shapes, _names(preparation))
    for _ in plans(made, wanted, preparation.progress):
        pass
    if not kept(made, wanted):
        raise CacheError(f"The engines were built, but they could not all be kept in {made.root}.")
    preparation.progress("ready", 1.0)


def engines_of(flavour: Flavour, model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
    """`build`, with either flavour."""
    made = _maker(flavour, model, shapes, preparation)
    progress = preparation.progress
    names = _names(preparation)
    device = torch.device("cuda", torch.cuda.current_device())
    networks = {}
    for name, plan in zip(
        names,
        plans(made, parts(made, model, shapes, names), lambda text, fraction: progress(text, 0.9 * fraction)),
        strict=True,
    ):
        progress(f"{name}: loading it onto the card", 0.9)
        networks[name] = TensorRTNetwork(flavour, plan, name, device)
    preparation.meanwhile()
    pixels = (1, shapes.height, shapes.width, 3)
    encode = _Function(networks["encoder"], torch.empty(1, *shapes.latent, device=device))
    decoder = _Function(networks["decoder"], torch.empty(pixels, dtype=torch.uint8, device=device))
    decode = Decoding(decoder, shapes.latent, pixels[1:], device, depth=shapes.rows)
    upload = Upload(pixels, torch.uint8, device)
    prepared = sizes(shapes.rows)
    denoiser: Denoiser = left_out
    if "denoiser" in networks:
        denoiser = _Denoiser(networks["denoiser"], prepared, shapes.latent, device)
    progress("ready", 1.0)
    return Engines(
        denoiser,
        lambda picture: encode(upload(picture)),
        decode,
        prepared,
        device,
        made.precision,
        begin_decode=decode.begin,
    )


def engines_are_kept(flavour: Flavour, model: Model, shapes: Shapes, preparation: Preparation) -> bool:
    """`is_kept`, with either flavour."""
    if tensorrt_library.missing(flavour):
        return False
    made = _maker(flavour, model, shapes, preparation)
    return kept(made, parts(made, model, shapes, _names(preparation)))


def sizes(rows: int) -> tuple[int, ...]:
    """The batch sizes that are prepared: small ones all, then even ones, since guided pictures have two rows."""
    return tuple(size for size in range(1, rows + 1) if size <= 4 or size % 2 == 0 or size == rows)


def _names(preparation: Preparation) -> list[str]:
    """Of the parts that engines are built for: a foreign engine is the denoiser."""
    return [name for name in SHARES if name != "denoiser" or preparation.engine is None]


def _maker(flavour: Flavour, model: Model, shapes: Shapes, preparation: Preparation, capability: str = "") -> Maker:
    aimed = target(flavour, capability)
    return maker(flavour, aimed, preparation.precision, model, shapes, preparation.cache)


class _Function:
    """A network of one input, with an output of its own that every call writes anew."""

    def __init__(self, network: TensorRTNetwork, out: torch.Tensor) -> None:
        self._network = network
        self._name = network.inputs[0].name
        self._out = out

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        self._network({self._name: tensor}, self._out)
        return self._out


class _Denoiser:
    """One engine of any batch size, with one output that all sizes begin."""

    def __init__(
        self, network: TensorRTNetwork, prepared: tuple[int, ...], latent: tuple[int, int, int], device: torch.device
    ) -> None:
        self._network = network
        out = torch.empty(prepared[-1], *latent, device=device)
        self._outs = {size: out[:size] for size in prepared}

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        out = self._outs[len(latents)]
        given = (latents.contiguous(), timesteps.contiguous(), conditioning.embeds.contiguous())
        self._network(dict(zip(onnx_parts.NAMES["denoiser"], given, strict=True)), out)
        return out
