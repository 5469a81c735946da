"""The ONNX Runtime accelerator: the model's networks as ONNX files, on the CPU or on a GPU."""

import onnxruntime
import psutil
import torch

from pipeline.accelerators.engines import Engines, Preparation, Shapes, left_out
from pipeline.accelerators.onnx_files import INPUT_NAMES, PARTS, exported_files
from pipeline.accelerators.onnx_network import CUDA, OnnxNetwork
from pipeline.accelerators.precision import dtype_of
from pipeline.accelerators.transfer import OverlappedDecoder, Upload
from pipeline.denoiser import ConditioningRows, Denoiser
from pipeline.models import Model


def build(model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
    """Open the model's ONNX files, exporting those that are not in the cache.

    The default precision is float32 on the CPU and float16 on a GPU, which has not run on hardware. All batch sizes
    are prepared. Torch is set to one thread.

    Raises:
        AcceleratorUnavailable: the precision is not supported here.
        ModelError: a network can't be loaded, exported or opened.
    """
    cuda = CUDA in onnxruntime.get_available_providers() and torch.cuda.is_available()
    device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
    supported = ("float16", "float32") if cuda else ("float32",)
    precision = preparation.precision or supported[0]
    dtype_of(precision, supported, "ONNX Runtime")
    networks = _open_networks(model, shapes, preparation, precision, device)
    pixels = torch.empty(1, shapes.height, shapes.width, 3, dtype=torch.uint8, device=device)
    encode = _OnnxFunction(networks["encoder"], INPUT_NAMES["encoder"], torch.empty(1, *shapes.latent, device=device))
    decode = _OnnxFunction(networks["decoder"], INPUT_NAMES["decoder"], pixels)
    sizes = tuple(range(1, shapes.most_rows + 1))
    denoiser: Denoiser = left_out
    if "denoiser" in networks:
        denoiser = _OnnxDenoiser(networks["denoiser"], sizes, shapes, device)
    preparation.progress("ready", 1.0)
    if not cuda:
        threads = preparation.threads or psutil.cpu_count(logical=False) or 1
        return Engines(denoiser, encode, decode, sizes, device, precision, threads=threads, any_size=True)
    upload = Upload(tuple(pixels.shape), torch.uint8, device)
    latent = torch.zeros(1, *shapes.latent, device=device)
    # A graph replays the addresses of its capture, so every latent is decoded from the same memory.
    overlapped = OverlappedDecoder(
        lambda each: decode(latent.copy_(each)), shapes.latent, tuple(pixels.shape[1:]), device, shapes.most_rows
    )
    return Engines(
        denoiser,
        lambda picture: encode(upload(picture)),
        overlapped,
        sizes,
        device,
        precision,
        begin_decode=overlapped.begin,
    )


def _open_networks(
    model: Model, shapes: Shapes, preparation: Preparation, precision: str, device: torch.device
) -> dict[str, OnnxNetwork]:
    """Return the opened network of each part, without the denoiser if a foreign engine takes its place."""
    progress = preparation.progress
    parts = PARTS if preparation.engine is None else PARTS[:2]

    def export_progress(text: str, fraction: float) -> None:
        progress(text, 0.8 * fraction)

    with exported_files(model, shapes, export_progress, preparation.cache, precision, parts) as files:
        # From here on torch only copies small tensors; its threads would compete with those of ONNX Runtime.
        torch.set_num_threads(1)
        work = [
            lambda part=part: OnnxNetwork(files[part], device, preparation.threads, captures=True) for part in parts
        ]
        results = preparation.together(work)
        preparation.meanwhile()
        networks: dict[str, OnnxNetwork] = {}
        for part, network in zip(parts, results, strict=True):
            progress(f"opening the {part}", 0.8 + 0.2 * len(networks) / len(parts))
            networks[part] = network
    return networks


class _OnnxFunction:
    """A network with an output tensor of its own, which every call overwrites."""

    def __init__(self, network: OnnxNetwork, names: tuple[str, ...], out: torch.Tensor) -> None:
        self._network = network
        self._names = names
        self._out = out

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        named = {name: tensor.contiguous() for name, tensor in zip(self._names, inputs, strict=True)}
        self._network(named, self._out)
        return self._out


class _OnnxDenoiser:
    """A network with a dynamic batch as a `Denoiser`. All batch sizes share one output tensor."""

    def __init__(self, network: OnnxNetwork, sizes: tuple[int, ...], shapes: Shapes, device: torch.device) -> None:
        names, out = tuple(shapes.row_inputs), torch.empty(sizes[-1], *shapes.latent, device=device)
        self._texts = names[2:]
        self._functions = {size: _OnnxFunction(network, names, out[:size]) for size in sizes}

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        texts = (conditioning.part(name) for name in self._texts)
        return self._functions[len(latents)](latents, timesteps, *texts)
