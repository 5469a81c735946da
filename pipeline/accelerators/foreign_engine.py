"""Foreign engines: a network that others compiled, in place of the model's own.

Its inputs are recognised by names, ranks and types. A scalar timestep gets the adaptive forward.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from pipeline.accelerators.adaptive import AdaptiveDenoiser
from pipeline.accelerators.engines import Engines, Network, Progress, Shapes, TensorPort
from pipeline.denoiser import ConditioningRows, Denoiser
from presets.errors import AcceleratorUnavailable, ModelError

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

NAMES = {
    "latents": r"sample|latents?.*|hidden_states|x",
    "timesteps": r"timesteps?|time|t",
    "embeds": r"encoder_hidden_states|(prompt_)?embeds|context",
}
"""Names that exporters give the three inputs that a network must have."""

LARGEST_BATCH = 64
"""Most rows of a fixed batch. A stream of fewer rows pads it; a larger one would waste time and memory."""

ONE_CALL = "one call a step"
DECOMPOSED = "one call for each distinct timestep"


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

    return open_engine(path, device, threads)


VERIFYING = "waiting for the first answer of"
"""Start of the progress text before the first call of a network, which may never end."""

READERS: Mapping[str, Callable[[Path, torch.device, int | None], Network]] = {
    ".onnx": _open_onnx,
    ".engine": _open_tensorrt,
    ".plan": _open_tensorrt,
}
"""Opener by the suffix of the file. It takes the device, and the threads on a processor."""


class EngineFit(NamedTuple):
    """The way a network is called."""

    ports: Mapping[str, TensorPort]
    """Port of each of `NAMES`."""
    scalar: bool
    """True if it takes one timestep for all its rows."""
    batch: int | None
    """Only number of rows that it takes; None if it takes any."""

    def sizes(self, rows: int) -> tuple[int, ...]:
        """Return the batch sizes that a stream of so many rows should call it with."""
        if self.batch is None or self.scalar:
            return tuple(range(1, rows + 1))
        return tuple(range(self.batch, rows + self.batch, self.batch))

    def forward(self, rows: int) -> str:
        """Return in words how many calls a step takes."""
        parts = self.batch is not None and self.batch < rows
        if parts and self.batch == 1:
            return "one call for each row"
        if self.scalar:
            return DECOMPOSED + (f", of at most {self.batch} rows" if parts else "")
        return f"one call for every {self.batch} rows" if parts else ONE_CALL


def reader(path: Path) -> Callable[[torch.device, int | None], Network]:
    """Return the opener of this file, whose ``~`` is the home folder. Raises ModelError if it is missing or of another
    kind."""
    try:
        str(path).encode()  # an undecodable name can't be shown, nor opened by every library
        file = path.expanduser()
        there = file.is_file()
    except UnicodeError as error:
        raise ModelError(f"The name of the engine file {str(path)!a} is no text. Rename it.") from error
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{path} can't be looked for: {reason or error}.") from error
    if not there:
        raise ModelError(f"There is no engine file {file}. Name an {' or '.join(READERS)} file, or none.")
    if file.suffix.lower() not in READERS:
        raise ModelError(f"{file} is a '{file.suffix}' file; an engine is one of {', '.join(READERS)}.")
    return partial(READERS[file.suffix.lower()], file)


def plug(
    path: Path,
    engines: Engines,
    shapes: Shapes,
    threads: int | None,
    progress: Progress = lambda text, fraction: None,
) -> Engines:
    """Return `engines` with the network in `path` as their denoiser. Encoder, decoder and texts stay.

    Raises:
        ModelError: a file that can't be read; a network that does not fit this model, with the input, its shape and the
            required one; or one that returns NaN or infinity.
        AcceleratorUnavailable: the library or device that it needs is missing.
    """
    network = reader(path)(engines.device, threads)
    fit = fitted(path, network, shapes)
    denoiser: Denoiser = ForeignDenoiser(network, fit)
    if fit.scalar or fit.batch is not None:
        denoiser = AdaptiveDenoiser(denoiser, fit.scalar, fit.batch)
    progress(f"{VERIFYING} {path}", 0.95)
    _check_output(path, denoiser, fit.sizes(shapes.rows)[0], shapes, engines.device)
    precision = str(fit.ports["latents"].dtype).removeprefix("torch.")
    return replace(
        engines,
        denoiser=denoiser,
        sizes=fit.sizes(shapes.rows),
        precision=precision,
        forward=fit.forward(shapes.rows),
        recorder=None,  # a foreign network may do in a call what can't be captured
    )


def _check_output(path: Path, denoiser: Denoiser, rows: int, shapes: Shapes, device: torch.device) -> None:
    """Call the network once with ordinary inputs, since a stream of NaN would be black without an error. Raises
    ModelError."""
    chance = torch.Generator().manual_seed(0)
    latents = torch.randn(rows, *shapes.latent, generator=chance).to(device)
    text = ConditioningRows(torch.randn(rows, *shapes.embeds, generator=chance).to(device))
    out = denoiser(latents, torch.full((rows,), 500.0, device=device), text)
    if not bool(out.isfinite().all()):
        raise ModelError(
            f"{path} returns NaN or infinity for ordinary inputs: it is damaged, or was made in a"
            " precision that this network can't be computed in. Build it again, in float32 or bfloat16."
        )


def fitted(path: Path, network: Network, shapes: Shapes) -> EngineFit:
    """Return the way to call the network for these shapes. Raises ModelError, as `plug`."""
    ports: dict[str, TensorPort] = {}
    for port in network.inputs:
        role = next((role for role, names in NAMES.items() if re.fullmatch(names, port.name, re.IGNORECASE)), None)
        if role is None or role in ports:
            raise ModelError(
                f"{path} wants an input '{port.name}', {port}; a stream provides latents, timesteps and a text,"
                f" as {', '.join(other.name for other in network.inputs if other is not port)}."
            )
        ports[role] = port
    if lacking := [role for role in NAMES if role not in ports]:
        raise ModelError(
            f"{path} has no input for the {' and the '.join(lacking)}, which a denoiser of this model needs."
        )
    batch = ports["latents"].shape[0] if ports["latents"].shape else None

    def require(
        port: TensorPort, what: str, shape: tuple[int | None, ...], dtypes: tuple[torch.dtype, ...] = FLOATS
    ) -> None:
        sides = zip(port.shape, shape, strict=False)
        if (
            len(port.shape) != len(shape)
            or any(None not in (has, wanted) and has != wanted for has, wanted in sides)
            or port.dtype not in dtypes
        ):
            raise ModelError(f"{path}: its {port.name} is {port}; {what} {TensorPort('', shape, dtypes[0])}.")

    require(ports["latents"], "latents of this model at this size are", (None, *shapes.latent))
    require(ports["embeds"], "a text of this model is", (batch, *shapes.embeds))
    if not network.outputs:
        raise ModelError(f"{path} has no output.")
    require(network.outputs[0], "the output must be", (batch, *shapes.latent))
    timesteps = ports["timesteps"]
    scalar = timesteps.shape == () or (timesteps.shape == (1,) and batch != 1)
    kinds = (*FLOATS, torch.int64, torch.int32)
    if scalar:
        require(timesteps, "one timestep for all rows is", timesteps.shape, kinds)
    else:
        require(timesteps, "timesteps, one a row, are", (batch,), kinds)
        if batch is None and timesteps.shape[0] is not None:
            raise ModelError(f"{path}: its {timesteps.name} is {timesteps}, beside any number of latents.")
    static = next((port.shape[0] for port in (ports["latents"], ports["embeds"]) if port.shape[0] is not None), None)
    most = max(shapes.rows, LARGEST_BATCH)
    if static is not None and not 1 <= static <= most:
        raise ModelError(f"{path} takes {static} rows a call; this stream has 1 to {shapes.rows}, filled up to {most}.")
    return EngineFit(ports, scalar, static)


class ForeignDenoiser:
    """The network as a `Denoiser`. Inputs are cast to the types that it takes.

    Integer timesteps are rounded to the nearest. A scalar timestep is that of the first row.
    """

    def __init__(self, network: Network, fit: EngineFit) -> None:
        self._network = network
        self._fit = fit
        self._buffers: dict[tuple[str, int], torch.Tensor] = {}

    @torch.inference_mode()
    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """Run the network. See `pipeline.denoiser.Denoiser`."""
        ports = self._fit.ports
        rank = len(ports["timesteps"].shape)
        given = timesteps if not self._fit.scalar else timesteps[:1].reshape([1] * rank)
        parts = {"latents": latents, "timesteps": given, "embeds": conditioning.embeds}
        inputs = {ports[role].name: self._cast(part, ports[role]) for role, part in parts.items()}
        output = self._network.outputs[0]
        out = self._buffer(output.name, latents.shape, output.dtype, latents.device)
        self._network(inputs, out)
        if out.dtype == latents.dtype:
            return out
        return self._buffer("", latents.shape, latents.dtype, latents.device).copy_(out)

    def _cast(self, held: torch.Tensor, port: TensorPort) -> torch.Tensor:
        if held.dtype == port.dtype:
            return held.contiguous()
        whole = not port.dtype.is_floating_point
        return self._buffer(port.name, held.shape, port.dtype, held.device).copy_(held.round() if whole else held)

    def _buffer(self, name: str, shape: torch.Size, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Return memory for a tensor of this shape, the same on every call."""
        key = name, shape.numel()
        if key not in self._buffers:
            self._buffers[key] = torch.empty(shape, dtype=dtype, device=device)
        return self._buffers[key]
