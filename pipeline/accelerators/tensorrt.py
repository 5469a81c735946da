"""TensorRT: the model's graphs as engines for the card of this machine, built once and kept.

Not run on hardware yet (`pipeline.accelerators.tensorrt_network`).
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
    """Build engines for this card, or take them from the cache, and prepare every batch size of `sizes`.

    The precision is float16 unless another is asked for. The first build takes minutes; `prepare` does it ahead.

    Raises:
        AcceleratorUnavailable: the GPU, the card, the driver, the memory or the engine does not suffice, with the
            reason.
    """
    return engines_of(TENSORRT, model, shapes, preparation)


def is_kept(model: Model, shapes: Shapes, preparation: Preparation) -> bool:
    """Return True if `build` finds all its engines in the cache."""
    return engines_are_kept(TENSORRT, model, shapes, preparation)


def prepare(flavour: Flavour, model: Model, shapes: Shapes, preparation: Preparation, capability: str = "") -> None:
    """Build and keep the engines that are missing. TensorRT-RTX needs no GPU for that.

    Args:
        flavour: The compiler.
        model: The model.
        shapes: Shapes of the engines.
        preparation: Precision, cache, progress, and whether a foreign engine is the denoiser.
        capability: Compute capability of the card to build for, as ``8.9``; empty is the card of this machine.

    Raises:
        AcceleratorUnavailable: as in `build`.
        CacheError: an engine could not be kept. Progress has reported the reason.
    """
    made = _maker(flavour, model, shapes, preparation, capability)
    wanted = parts(made, model, shapes, _names(preparation))
    for _ in plans(made, wanted, preparation.progress):
        pass
    if not kept(made, wanted):
        raise CacheError(f"The engines were built, but they could not all be kept in {made.root}.")
    preparation.progress("ready", 1.0)


def engines_of(flavour: Flavour, model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
    """Do the work of `build` with either flavour."""
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
    encode, decoder = (_SingleInputEngine(networks[name], outs[name][1]) for name in ("encoder", "decoder"))
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
    """Do the work of `is_kept` with either flavour."""
    if tensorrt_library.missing(flavour):
        return False
    made = _maker(flavour, model, shapes, preparation)
    return kept(made, parts(made, model, shapes, _names(preparation)))


def sizes(rows: int) -> tuple[int, ...]:
    """Return the prepared batch sizes: all small ones, then even ones, since guided frames have two rows."""
    return tuple(size for size in range(1, rows + 1) if size <= 4 or size % 2 == 0 or size == rows)


def _names(preparation: Preparation) -> list[str]:
    """Return the parts that engines are built for. A foreign engine is the denoiser."""
    return [name for name in SHARES if name != "denoiser" or preparation.engine is None]


def _maker(flavour: Flavour, model: Model, shapes: Shapes, preparation: Preparation, capability: str = "") -> Maker:
    aimed = target(flavour, capability)
    return maker(flavour, aimed, preparation.precision, model, shapes, preparation.cache)


def _kernels(made: Maker, part: Part, progress: Progress) -> Kernels:
    def tell(text: str) -> None:
        progress(f"{part.name}: {text}", 0.9)

    return Kernels(made.root, made.key(part), tensorrt_library.card(), made.made_for, tell)


class _SingleInputEngine:
    """An engine of one input with an output buffer, which every call overwrites."""

    def __init__(self, network: TensorRTNetwork, out: torch.Tensor) -> None:
        self._network = network
        self._name = network.inputs[0].name
        self._out = out

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        self._network({self._name: tensor}, self._out)
        return self._out


class _TensorRTDenoiser:
    """One engine for any batch size, with an output buffer for each size."""

    def __init__(self, network: TensorRTNetwork, outs: Mapping[int, torch.Tensor]) -> None:
        self._network = network
        self._outs = outs

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        out = self._outs[len(latents)]
        given = (latents.contiguous(), timesteps.contiguous(), conditioning.embeds.contiguous())
        self._network(dict(zip(onnx_parts.NAMES["denoiser"], given, strict=True)), out)
        return out
