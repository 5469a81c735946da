"""ONNX Runtime: the graphs as ONNX files, on the processor, or on a GPU if it and torch are both built for one."""

import onnxruntime
import torch

from pipeline.accelerators.engines import Engines, Preparation, Shapes, left_out
from pipeline.accelerators.onnx_network import CUDA, OnnxNetwork
from pipeline.accelerators.onnx_parts import NAMES, PARTS, exported
from pipeline.accelerators.precision import type_of
from pipeline.denoiser import ConditioningRows, Denoiser
from pipeline.models import Model


def build(model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
    """Export the graphs, or find them in the cache, and open them. Every batch size up to ``shapes.rows`` is prepared.

    The precision is float32 on the CPU. On a GPU, which has not been tried, it is float16 unless float32 is asked for.
    Torch is left with one thread.
    """
    cuda = CUDA in onnxruntime.get_available_providers() and torch.cuda.is_available()
    device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
    known = ("float16", "float32") if cuda else ("float32",)
    precision = preparation.precision or known[0]
    type_of(precision, known, "ONNX Runtime")
    progress = preparation.progress
    parts = PARTS if preparation.engine is None else PARTS[:2]

    def exporting(text: str, fraction: float) -> None:
        progress(text, 0.8 * fraction)

    with exported(model, shapes, exporting, preparation.cache, precision, parts) as files:
        # Torch only moves a few small tensors here; its threads would spin on the cores that compute.
        torch.set_num_threads(1)
        opening = [lambda part=part: OnnxNetwork(files[part], device, preparation.threads) for part in parts]
        answers = preparation.together(opening)
        preparation.meanwhile()
        networks: dict[str, OnnxNetwork] = {}
        for part, network in zip(parts, answers, strict=True):
            progress(f"opening the {part}", 0.8 + 0.2 * len(networks) / len(parts))
            networks[part] = network
    pixels = torch.empty(1, shapes.height, shapes.width, 3, dtype=torch.uint8, device=device)
    encode = _BufferedNetwork(networks["encoder"], NAMES["encoder"], torch.empty(1, *shapes.latent, device=device))
    decode = _BufferedNetwork(networks["decoder"], NAMES["decoder"], pixels)
    sizes = tuple(range(1, shapes.rows + 1))
    denoiser: Denoiser = left_out
    if "denoiser" in networks:
        denoiser = _OnnxDenoiser(networks["denoiser"], sizes, shapes.latent, device)
    progress("ready", 1.0)
    return Engines(
        denoiser,
        lambda picture: encode(picture.to(device)),
        lambda latent: decode(latent).cpu(),
        sizes,
        device,
        precision,
    )


class _BufferedNetwork:
    """A network with an output buffer, which every call overwrites."""

    def __init__(self, network: OnnxNetwork, names: tuple[str, ...], out: torch.Tensor) -> None:
        self._network = network
        self._names = names
        self._out = out

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        held = {name: tensor.contiguous() for name, tensor in zip(self._names, inputs, strict=True)}
        self._network(held, self._out)
        return self._out


class _OnnxDenoiser:
    """One network for any batch size, with an output buffer for each size."""

    def __init__(
        self, network: OnnxNetwork, sizes: tuple[int, ...], latent: tuple[int, int, int], device: torch.device
    ) -> None:
        out = torch.empty(sizes[-1], *latent, device=device)
        self._networks = {size: _BufferedNetwork(network, NAMES["denoiser"], out[:size]) for size in sizes}

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        return self._networks[len(latents)](latents, timesteps, conditioning.embeds)
