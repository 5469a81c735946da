"""Plug and play: a network that others compiled, in the place of the model's own, wrapped as it is.

What it is is told from its inputs: their names, ranks and types. A scalar timestep gets the adaptive forward.
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
"""What exporters call the three inputs that a network must have."""

LARGEST_BATCH = 64
"""Rows of a fixed batch that a stream of fewer still fills up; a larger one would only burn time and memory."""

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
"""By the file's suffix, what opens it for a device, with so many threads on a processor."""


class EngineFit(NamedTuple):
    """How a network is called."""

    ports: Mapping[str, TensorPort]
    """Of each of `NAMES`."""
    scalar: bool
    """It takes one timestep for all its rows."""
    batch: int | None
    """The only number of rows that it takes; None if it takes any."""

    def sizes(self, rows: int) -> tuple[int, ...]:
        """The batch sizes that a stream of so many rows should call it with."""
        if self.batch is None or self.scalar:
            return tuple(range(1, rows + 1))
        return tuple(range(self.batch, rows + self.batch, self.batch))

    def forward(self, rows: int) -> str:
        """In words: how many calls a step takes."""
        parts = self.batch is not None and self.batch < rows
        if parts and self.batch == 1:
            return "one call for each row"
        if self.scalar:
            return DECOMPOSED + (f", of at most {self.batch} rows" if parts else "")
        return f"one call for every {self.batch} rows" if parts else ONE_CALL


def reader(path: Path) -> Callable[[torch.device, int | None], Network]:
    """What opens this file, ``~`` being the home folder. Raises ModelError where it is missing or of another kind."""
    try:
        str(path).encode()  # a name that is no text can't be told anywhere, nor opened by everyone
        file = path.expanduser()
        there = file.is_file()
    except UnicodeError as error:
        raise ModelError(f"The name of the engine file {str(path)!a} is no text. Rename it.") from error
    except (OSError, RuntimeError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{path} can't be looked for: {told or error}.") from error
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
    """`engines` with the network in `path` as their denoiser; pixels and words go on as they did.

    Raises:
        ModelError: a file that can't be read, or a network that can't be this model's: which input, what it is and
            what it would have to be; or one that answers with NaN or infinity.
        AcceleratorUnavailable: what it would run on is not here.
    """
    network = reader(path)(engines.device, threads)
    fit = fitted(path, network, shapes)
    denoiser: Denoiser = ForeignDenoiser(network, fit)
    if fit.scalar or fit.batch is not None:
        denoiser = AdaptiveDenoiser(denoiser, fit.scalar, fit.batch)
    progress(f"{VERIFYING} {path}", 0.95)
    _try(path, denoiser, fit.sizes(shapes.rows)[0], shapes, engines.device)
    precision = str(fit.ports["latents"].dtype).removeprefix("torch.")
    return replace(
        engines,
        denoiser=denoiser,
        sizes=fit.sizes(shapes.rows),
        precision=precision,
        forward=fit.forward(shapes.rows),
        recorder=None,  # nobody knows what a foreign network does in a call
    )


def _try(path: Path, denoiser: Denoiser, rows: int, shapes: Shapes, device: torch.device) -> None:
    """One call with ordinary inputs: a stream of NaN would be black pictures, and no error. Raises ModelError."""
    chance = torch.Generator().manual_seed(0)
    latents = torch.randn(rows, *shapes.latent, generator=chance).to(device)
    text = ConditioningRows(torch.randn(rows, *shapes.embeds, generator=chance).to(device))
    out = denoiser(latents, torch.full((rows,), 500.0, device=device), text)
    if not bool(out.isfinite().all()):
        raise ModelError(
            f"{path} answers ordinary inputs with what is no number (NaN or infinity): it is damaged, or was made in a"
            " precision that this network does not bear. Build it anew, in float32 or bfloat16."
        )


def fitted(path: Path, network: Network, shapes: Shapes) -> EngineFit:
    """How the network is to be called for these shapes. Raises ModelError, as `plug`."""
    ports: dict[str, TensorPort] = {}
    for port in network.inputs:
        role = next((role for role, names in NAMES.items() if re.fullmatch(names, port.name, re.IGNORECASE)), None)
        if role is None or role in ports:
            raise ModelError(
                f"{path} wants an input '{port.name}', {port}; a stream has latents, timesteps and a text to give,"
                f" as {', '.join(other.name for other in network.inputs if other is not port)}."
            )
        ports[role] = port
    if lacking := [role for role in NAMES if role not in ports]:
        raise ModelError(f"{path} has no input for the {' and the '.join(lacking)}: a denoiser of this model has.")
    batch = ports["latents"].shape[0] if ports["latents"].shape else None

    def hold(
        port: TensorPort, what: str, shape: tuple[int | None, ...], dtypes: tuple[torch.dtype, ...] = FLOATS
    ) -> None:
        sides = zip(port.shape, shape, strict=False)
        if (
            len(port.shape) != len(shape)
            or any(None not in (has, wanted) and has != wanted for has, wanted in sides)
            or port.dtype not in dtypes
        ):
            raise ModelError(f"{path}: its {port.name} is {port}; {what} {TensorPort('', shape, dtypes[0])}.")

    hold(ports["latents"], "latents of this model at this size are", (None, *shapes.latent))
    hold(ports["embeds"], "a text of this model is", (batch, *shapes.embeds))
    if not network.outputs:
        raise ModelError(f"{path} has no output.")
    hold(network.outputs[0], "what comes out must be", (batch, *shapes.latent))
    timesteps = ports["timesteps"]
    scalar = timesteps.shape == () or (timesteps.shape == (1,) and batch != 1)
    kinds = (*FLOATS, torch.int64, torch.int32)
    if scalar:
        hold(timesteps, "one timestep for all rows is", timesteps.shape, kinds)
    else:
        hold(timesteps, "timesteps, one a row, are", (batch,), kinds)
        if batch is None and timesteps.shape[0] is not None:
            raise ModelError(f"{path}: its {timesteps.name} is {timesteps}, beside any number of latents.")
    static = next((port.shape[0] for port in (ports["latents"], ports["embeds"]) if port.shape[0] is not None), None)
    most = max(shapes.rows, LARGEST_BATCH)
    if static is not None and not 1 <= static <= most:
        raise ModelError(f"{path} takes {static} rows a call; this stream has 1 to {shapes.rows}, filled up to {most}.")
    return EngineFit(ports, scalar, static)


class ForeignDenoiser:
    """The network as a `Denoiser`, its inputs cast to what it takes, where they are something else.

    Whole-numbered timesteps are the nearest; a scalar one is the first row's.
    """

    def __init__(self, network: Network, fit: EngineFit) -> None:
        self._network = network
        self._fit = fit
        self._rooms: dict[tuple[str, int], torch.Tensor] = {}

    @torch.inference_mode()
    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """As `pipeline.denoiser.Denoiser`."""
        ports = self._fit.ports
        rank = len(ports["timesteps"].shape)
        told = timesteps if not self._fit.scalar else timesteps[:1].reshape([1] * rank)
        parts = {"latents": latents, "timesteps": told, "embeds": conditioning.embeds}
        inputs = {ports[role].name: self._as_taken(part, ports[role]) for role, part in parts.items()}
        output = self._network.outputs[0]
        out = self._room(output.name, latents.shape, output.dtype, latents.device)
        self._network(inputs, out)
        if out.dtype == latents.dtype:
            return out
        return self._room("", latents.shape, latents.dtype, latents.device).copy_(out)

    def _as_taken(self, held: torch.Tensor, port: TensorPort) -> torch.Tensor:
        if held.dtype == port.dtype:
            return held.contiguous()
        whole = not port.dtype.is_floating_point
        return self._room(port.name, held.shape, port.dtype, held.device).copy_(held.round() if whole else held)

    def _room(self, name: str, shape: torch.Size, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Memory for a tensor of this shape, the same one every time."""
        key = name, shape.numel()
        if key not in self._rooms:
            self._rooms[key] = torch.empty(shape, dtype=dtype, device=device)
        return self._rooms[key]
