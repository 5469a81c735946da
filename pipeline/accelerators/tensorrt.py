"""TensorRT: the model's graphs as engines for the card that is here, built once and kept.

Written for hardware and not yet run on any (`pipeline.accelerators.tensorrt_network`).
"""

from collections.abc import Mapping

import torch

from pipeline.accelerators import onnx_parts, tensorrt_library
from pipeline.accelerators.engines import Engines, Preparation, Progress, Shapes, left_out
from pipeline.accelerators.tensorrt_build import target
from pipeline.accelerators.tensorrt_kernels import Kernels
from pipeline.accelerators.tensorrt_library import TENSORRT, Flavour
from pipeline.accelerators.tensorrt_network import TensorRTNetwork
from pipeline.accelerators.tensorrt_parts import SHARES, Maker, Part, kept, maker, parts, plans
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
    networks, kernels = {}, {}
    wanted = parts(made, model, shapes, names)
    for part, plan in zip(
        wanted, plans(made, wanted, lambda text, fraction: progress(text, 0.9 * fraction)), strict=True
    ):
        progress(f"{part.name}: loading it onto the card", 0.9)
        if flavour.ahead:
            kernels[part.name] = _kernels(made, part, progress)
        networks[part.name] = TensorRTNetwork(flavour, plan, part.name, device, kernels.get(part.name))
    preparation.meanwhile()
    pixels = (1, shapes.height, shapes.width, 3)
    prepared = sizes(shapes.rows)
    answers = torch.empty(prepared[-1], *shapes.latent, device=device)
    outs = {
        "denoiser": {size: answers[:size] for size in prepared},
        "encoder": {1: torch.empty(1, *shapes.latent, device=device)},
        "decoder": {1: torch.empty(pixels, dtype=torch.uint8, device=device)},
    }
    encode, decoder = (_TensorRTFunction(networks[name], outs[name][1]) for name in ("encoder", "decoder"))
    decode = Decoding(decoder, shapes.latent, pixels[1:], device, depth=shapes.rows)
    upload = Upload(pixels, torch.uint8, device)
    denoiser: Denoiser = left_out
    if "denoiser" in networks:
        denoiser = _TensorRTDenoiser(networks["denoiser"], outs["denoiser"])
    for name, compiled in kernels.items():
        progress(f"{name}: compiling those of its kernels that are not kept", 0.95)
        for size, out in outs[name].items():
            networks[name].call_once(size, out)
        compiled.keep()
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


def _kernels(made: Maker, part: Part, progress: Progress) -> Kernels:
    def tell(text: str) -> None:
        progress(f"{part.name}: {text}", 0.9)

    return Kernels(made.root, made.key(part), tensorrt_library.card(), made.made_for, tell)


class _TensorRTFunction:
    """A network of one input, with an output of its own that every call writes anew."""

    def __init__(self, network: TensorRTNetwork, out: torch.Tensor) -> None:
        self._network = network
        self._name = network.inputs[0].name
        self._out = out

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        self._network({self._name: tensor}, self._out)
        return self._out


class _TensorRTDenoiser:
    """One engine of any batch size, with the output that each size writes."""

    def __init__(self, network: TensorRTNetwork, outs: Mapping[int, torch.Tensor]) -> None:
        self._network = network
        self._outs = outs

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        out = self._outs[len(latents)]
        given = (latents.contiguous(), timesteps.contiguous(), conditioning.embeds.contiguous())
        self._network(dict(zip(onnx_parts.NAMES["denoiser"], given, strict=True)), out)
        return out
