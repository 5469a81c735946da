"""A network that somebody else compiled, used as the model's denoiser without changes to the file.

A network with one timestep for all rows is called through the adaptive forward.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from pipeline.accelerators.adaptive import AdaptiveDenoiser
from pipeline.accelerators.engine_signature import EngineSignature, read_signature
from pipeline.accelerators.engines import Engines, Network, Progress, Shapes, TensorPort
from pipeline.denoiser import ConditioningRows, Denoiser
from presets.errors import AcceleratorUnavailable, ModelError


def _open_onnx(path: Path, device: torch.device, threads: int | None) -> Network:
    try:
        from pipeline.accelerators.onnx_network import OnnxNetwork
    except (ImportError, OSError) as error:
        raise AcceleratorUnavailable(
            f"{path} needs ONNX Runtime, which can't be imported ({error})."
            " Install it with: pip install 'streamflow-live[onnx]'"
        ) from error
    return OnnxNetwork(path, device, threads)


def _open_tensorrt(path: Path, device: torch.device, threads: int | None) -> Network:
    from pipeline.accelerators.tensorrt_network import open_engine

    return open_engine(path, device)


VERIFYING = "waiting for the first answer of"
"""Start of the progress text before the first call of a network, which may never return."""

READERS: Mapping[str, Callable[[Path, torch.device, int | None], Network]] = {
    ".onnx": _open_onnx,
    ".engine": _open_tensorrt,
    ".plan": _open_tensorrt,
}
"""Functions that open a file for a device, by file suffix. The number of threads is for CPUs."""


def find_reader(path: Path) -> Callable[[torch.device, int | None], Network]:
    """Return the function that opens this file. A leading ``~`` is the home folder.

    Raises:
        ModelError: the file does not exist, or its suffix is unknown.
    """
    try:
        str(path).encode()  # a name with lone surrogates can't be shown, nor opened by every library
        file = path.expanduser()
        exists = file.is_file()
    except UnicodeError as error:
        raise ModelError(f"The name of the engine file {str(path)!a} is not valid text. Rename it.") from error
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{path} can't be opened: {reason or error}.") from error
    if not exists:
        raise ModelError(f"There is no engine file {file}. Name an {' or '.join(READERS)} file, or none.")
    if file.suffix.lower() not in READERS:
        raise ModelError(f"{file} is a '{file.suffix}' file. An engine file is one of {', '.join(READERS)}.")
    return partial(READERS[file.suffix.lower()], file)


def replace_denoiser(
    path: Path,
    engines: Engines,
    shapes: Shapes,
    threads: int | None,
    progress: Progress = lambda text, fraction: None,
) -> Engines:
    """Return `engines` with the network in the file as their denoiser. Encoder and decoder stay.

    Raises:
        ModelError: the file can't be read, the network's inputs do not fit this model (the message names the input,
            its shape and the expected shape), or its output contains NaN or infinity.
        AcceleratorUnavailable: the library or the device that the network needs is absent.
    """
    network = find_reader(path)(engines.device, threads)
    signature = read_signature(path, network, shapes)
    denoiser: Denoiser = ForeignDenoiser(network, signature, shapes.latent)
    if signature.scalar or signature.batch is not None:
        denoiser = AdaptiveDenoiser(denoiser, signature.scalar, signature.batch)
    progress(f"{VERIFYING} {path}", 0.95)
    _check_output(path, denoiser, signature.sizes(shapes.most_rows)[0], shapes, engines.device)
    precision = str(signature.ports["latents"].dtype).removeprefix("torch.")
    return replace(
        engines,
        denoiser=denoiser,
        sizes=signature.sizes(shapes.most_rows),
        precision=precision,
        forward=signature.forward(shapes.most_rows),
        recorder=None,  # a foreign network may do what a CUDA graph can't record
        any_size=engines.device.type == "cpu",
    )


def _check_output(path: Path, denoiser: Denoiser, rows: int, shapes: Shapes, device: torch.device) -> None:
    """Raise `ModelError` if a call with normally distributed inputs returns NaN or infinity.

    Without this check such a network would show black frames and no error.
    """
    generator = torch.Generator().manual_seed(0)
    given = {
        name: torch.randn(rows, *shape, generator=generator).to(device) for name, shape in shapes.row_inputs.items()
    }
    text = ConditioningRows.of({name: given[name] for name in list(given)[2:]})
    out = denoiser(given["latents"], torch.full((rows,), 500.0, device=device), text)
    if not bool(out.isfinite().all()):
        raise ModelError(
            f"{path} returns NaN or infinity for ordinary inputs. The file is damaged, or the network overflows in its"
            " precision. Build it again in float32 or bfloat16."
        )


class ForeignDenoiser:
    """A foreign network as a `Denoiser`. Inputs are cast to the network's dtypes where they differ.

    Integer timesteps are rounded to the nearest. A network with one timestep gets that of the first row.
    """

    def __init__(self, network: Network, signature: EngineSignature, latent: tuple[int, int, int]) -> None:
        """`latent` is the shape ``(C, h, w)`` of one row of the output."""
        self._network = network
        self._latent = latent
        self._signature = signature
        self._buffers: dict[tuple[str, int], torch.Tensor] = {}

    @torch.inference_mode()
    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """Return the network's output in the dtype of `latents`, as in `pipeline.denoiser.Denoiser`."""
        ports = self._signature.ports
        rank = len(ports["timesteps"].shape)
        if self._signature.scalar:
            timesteps = timesteps[:1].reshape([1] * rank)
        tensors = {"latents": latents, "timesteps": timesteps}
        tensors |= {name: part for name, part in conditioning.parts().items() if name in ports}
        inputs = {ports[role].name: self._cast(tensor, ports[role]) for role, tensor in tensors.items()}
        output = self._network.outputs[0]
        shape = torch.Size((len(latents), *self._latent))
        out = self._buffer(output.name, shape, output.dtype, latents.device)
        self._network(inputs, out)
        if out.dtype == latents.dtype:
            return out
        return self._buffer("", shape, latents.dtype, latents.device).copy_(out)

    def _cast(self, tensor: torch.Tensor, port: TensorPort) -> torch.Tensor:
        if tensor.dtype == port.dtype:
            return tensor.contiguous()
        integer = not port.dtype.is_floating_point
        return self._buffer(port.name, tensor.shape, port.dtype, tensor.device).copy_(
            tensor.round() if integer else tensor
        )

    def _buffer(self, name: str, shape: torch.Size, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Return a buffer of this shape, allocated once."""
        key = name, shape.numel()
        if key not in self._buffers:
            self._buffers[key] = torch.empty(shape, dtype=dtype, device=device)
        return self._buffers[key]
