"""The TensorRT accelerators: engines for the GPU of this machine, built once and cached.

Loading and running engines has not run on hardware. Building is tested with TensorRT-RTX, which needs no GPU for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from pipeline.accelerators import tensorrt_library
from pipeline.accelerators.eight_bits import or_wider
from pipeline.accelerators.engines import Engines, Preparation, Shapes, left_out
from pipeline.accelerators.tensorrt_build import target_capability
from pipeline.accelerators.tensorrt_engines import (
    BUILD_SHARES,
    EngineBuilder,
    EngineSource,
    all_cached,
    engine_builder,
    engine_plans,
    engine_sources,
)
from pipeline.accelerators.tensorrt_kernels import KernelCache
from pipeline.accelerators.tensorrt_library import TENSORRT, TENSORRT_RTX, Flavour
from pipeline.accelerators.tensorrt_network import TensorRTNetwork
from pipeline.accelerators.torch_engines import Call, recorded_autoencoder
from pipeline.accelerators.transfer import OverlappedDecoder, Upload
from pipeline.denoiser import ConditioningRows, Denoiser
from pipeline.graph_capture import cuda_recorder
from pipeline.models import Model
from presets.errors import AcceleratorUnavailable, CacheError


@dataclass(frozen=True)
class TensorRTAccelerator:
    """One of the two TensorRT libraries as an accelerator. The default precision is float16."""

    flavour: Flavour

    def build(self, model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
        """Return the engines as `_build`. Where those in 8 bits can't be built, float16 plays in their place."""
        return or_wider(lambda settings: self._build(model, shapes, settings), preparation)

    def _build(self, model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
        """Load the engines, building those that are not cached, and run every batch size of `prepared_sizes` once.

        Building takes minutes. `prepare` does it ahead of the show.

        Raises:
            AcceleratorUnavailable: there is no GPU, the card or driver is not supported, or an engine can't be built.
            MemoryShort: the memory ran out.
        """
        builder = self._builder(model, shapes, preparation)
        device = torch.device("cuda", torch.cuda.current_device())
        networks, kernels = _load_networks(builder, _sources(builder, model, shapes, preparation), preparation, device)
        preparation.meanwhile()
        pixels = (1, shapes.height, shapes.width, 3)
        sizes = shapes.with_most_rows(prepared_sizes(shapes.rows))
        denoised = torch.empty(sizes[-1], *shapes.latent, device=device)
        outs = {
            "denoiser": {size: denoised[:size] for size in sizes},
            "encoder": {1: torch.empty(1, *shapes.latent, device=device)},
            "decoder": {1: torch.empty(pixels, dtype=torch.uint8, device=device)},
        }
        encode, decoder = (_TensorRTFunction(networks[name], outs[name][1]) for name in ("encoder", "decoder"))
        upload = Upload(pixels, torch.uint8, device)
        # TensorRT-RTX captures its calls itself (`TensorRTNetwork`).
        records = not self.flavour.builds_ahead
        calls: tuple[Call, Call] = (encode, decoder)
        remarks: tuple[str, ...] = ()
        if records:
            calls, remarks = recorded_autoencoder(encode, decoder, upload, shapes)
        decode = OverlappedDecoder(calls[1], shapes.latent, pixels[1:], device, depth=shapes.most_rows)
        denoiser: Denoiser = left_out
        if "denoiser" in networks:
            denoiser = _TensorRTDenoiser(networks["denoiser"], outs["denoiser"], tuple(shapes.row_inputs))
        for name, kernel_cache in kernels.items():
            preparation.progress(f"{name}: compiling kernels that are not cached", 0.95)
            for size, out in outs[name].items():
                networks[name].warm_up(size, out)
            kernel_cache.save()
        preparation.progress("ready", 1.0)
        return Engines(
            denoiser,
            lambda picture: calls[0](upload(picture)),
            decode,
            sizes,
            device,
            builder.precision,
            begin_decode=decode.begin,
            recorder=cuda_recorder() if records else None,
            remarks=remarks,
        )

    def is_kept(self, model: Model, shapes: Shapes, preparation: Preparation) -> bool:
        """Return True if the engine cache holds all engines that `build` needs."""
        if tensorrt_library.unavailable_reason(self.flavour):
            return False
        try:
            builder = self._builder(model, shapes, preparation)
        except AcceleratorUnavailable:  # another precision, or another card
            return False
        return all_cached(builder, _sources(builder, model, shapes, preparation))

    def prepare(self, model: Model, shapes: Shapes, preparation: Preparation, capability: str = "") -> None:
        """Build and store the engines that are not cached. TensorRT-RTX needs no GPU for it.

        Args:
            model: The model.
            shapes: Shapes of frames and latents.
            preparation: Its precision, cache, progress and engine are used.
            capability: Compute capability to build for, for example ``8.9``. Empty takes that of the GPU here.

        Raises:
            AcceleratorUnavailable: as in `build`.
            CacheError: an engine can't be stored. `progress` receives the reason.
        """
        builder = self._builder(model, shapes, preparation, capability)
        sources = _sources(builder, model, shapes, preparation)
        for _ in engine_plans(builder, sources, preparation.progress):
            pass
        if not all_cached(builder, sources):
            raise CacheError(f"The engines were built, but not all of them can be stored in {builder.root}.")
        preparation.progress("ready", 1.0)

    def _builder(self, model: Model, shapes: Shapes, preparation: Preparation, capability: str = "") -> EngineBuilder:
        target = target_capability(self.flavour, capability)
        return engine_builder(self.flavour, target, preparation.precision, model, shapes, preparation.cache)


CLASSIC = TensorRTAccelerator(TENSORRT)
RTX = TensorRTAccelerator(TENSORRT_RTX)


def prepared_sizes(rows: int) -> tuple[int, ...]:
    """Return the batch sizes to prepare: all up to 4, then the even ones, since a guided frame has two rows."""
    return tuple(size for size in range(1, rows + 1) if size <= 4 or size % 2 == 0 or size == rows)


def _sources(builder: EngineBuilder, model: Model, shapes: Shapes, preparation: Preparation) -> list[EngineSource]:
    """Return the networks to build engines from. A foreign engine takes the place of the denoiser."""
    names = [name for name in BUILD_SHARES if name != "denoiser" or preparation.engine is None]
    return engine_sources(builder, model, shapes, names)


def _load_networks(
    builder: EngineBuilder, sources: list[EngineSource], preparation: Preparation, device: torch.device
) -> tuple[dict[str, TensorRTNetwork], dict[str, KernelCache]]:
    """Return the networks by name, and for TensorRT-RTX their kernel caches."""
    progress = preparation.progress
    networks: dict[str, TensorRTNetwork] = {}
    kernels: dict[str, KernelCache] = {}
    plans = engine_plans(builder, sources, lambda text, fraction: progress(text, 0.9 * fraction))
    for source, plan in zip(sources, plans, strict=True):
        name = source.name
        progress(f"{name}: loading it onto the card", 0.9)
        if builder.flavour.builds_ahead:

            def report(text: str, name: str = name) -> None:
                progress(f"{name}: {text}", 0.9)

            card = tensorrt_library.current_card()
            kernels[name] = KernelCache(builder.root, builder.key(source), card, builder.made_for, report)
        networks[name] = TensorRTNetwork(builder.flavour, plan, name, device, kernels.get(name))
    return networks, kernels


class _TensorRTFunction:
    """A network with one input and an output tensor of its own, which every call overwrites."""

    def __init__(self, network: TensorRTNetwork, out: torch.Tensor) -> None:
        self._network = network
        self._name = network.inputs[0].name
        self._out = out

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        self._network({self._name: tensor}, self._out)
        return self._out


class _TensorRTDenoiser:
    """A network with a dynamic batch as a `Denoiser`, with an output tensor for each batch size."""

    def __init__(self, network: TensorRTNetwork, outs: Mapping[int, torch.Tensor], names: tuple[str, ...]) -> None:
        self._network = network
        self._outs = outs
        self._names = names

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        out = self._outs[len(latents)]
        inputs = (latents, timesteps, *(conditioning.part(name) for name in self._names[2:]))
        self._network({name: each.contiguous() for name, each in zip(self._names, inputs, strict=True)}, out)
        return out
