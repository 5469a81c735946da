"""Call signature of a foreign network, recognised by the names, ranks and dtypes of its inputs."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from pipeline.accelerators.engines import Network, Shapes, TensorPort
from presets.errors import ModelError

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

INPUT_NAMES = {
    "latents": r"sample|latents?.*|hidden_states|x",
    "timesteps": r"timesteps?|time|t",
    "embeds": r"encoder_hidden_states|(prompt_)?embeds|context",
    "mask": r"encoder_attention_mask|attention_mask|mask",
    "pooled": r"pooled(_projections|_prompt_embeds)?|text_embeds",
    "guidance": r"guidance(_scale)?",
}
"""Names that exporters use for the inputs that a denoiser may have, as regular expressions. Extra inputs have their own
name alone."""

IN_WORDS = {
    "latents": "latents",
    "timesteps": "timesteps",
    "embeds": "text embeddings",
    "mask": "a mask of tokens",
    "pooled": "a pooled text",
    "guidance": "guidance scales",
    "loras": "weights of LoRAs",
    "control_scale": "scales of a ControlNet",
    "control_picture": "control pictures",
    "image_scale": "scales of an IP-Adapter",
    "image_tokens": "tokens of an image",
}
"""Inputs for people."""

LARGEST_BATCH = 64
"""Largest fixed batch that a stream of fewer rows fills up. A larger one would only cost time and memory."""

ONE_CALL = "one call a step"
DECOMPOSED = "one call for each distinct timestep"


class EngineSignature(NamedTuple):
    """Description of how a network is called."""

    ports: Mapping[str, TensorPort]
    """Input of the network for each input of the model's denoiser."""
    scalar: bool
    """The network takes one timestep for all its rows."""
    batch: int | None
    """Only number of rows that the network takes; None if it takes any."""

    def sizes(self, rows: int) -> tuple[int, ...]:
        """Return the batch sizes that a stream of at most `rows` rows should call the network with."""
        if self.batch is None or self.scalar:
            return tuple(range(1, rows + 1))
        return tuple(range(self.batch, rows + self.batch, self.batch))

    def forward(self, rows: int) -> str:
        """Return in words how many calls a step of `rows` rows takes."""
        split = self.batch is not None and self.batch < rows
        if split and self.batch == 1:
            return "one call for each row"
        if self.scalar:
            return DECOMPOSED + (f", of at most {self.batch} rows" if split else "")
        return f"one call for every {self.batch} rows" if split else ONE_CALL


def read_signature(path: Path, network: Network, shapes: Shapes) -> EngineSignature:
    """Return how to call the network with these shapes. Raises `ModelError` as `replace_denoiser`."""
    ports = _assign_inputs(path, network, tuple(shapes.row_inputs))
    latents, timesteps, embeds = (ports[role] for role in ("latents", "timesteps", "embeds"))
    batch = latents.shape[0] if latents.shape else None
    _check_port(path, latents, _expected_latents(shapes), (None, *shapes.inputs))
    _check_port(path, embeds, "the text embeddings of this model are", (batch, *shapes.embeds))
    for role in list(ports)[3:]:
        _check_port(path, ports[role], f"{_in_words(role)} of this model is", (batch, *shapes.row_inputs[role]))
    if not network.outputs:
        raise ModelError(f"{path} has no output.")
    _check_port(path, network.outputs[0], "the output must be", (batch, *shapes.latent))
    scalar = timesteps.shape == () or (timesteps.shape == (1,) and batch != 1)
    dtypes = (*FLOATS, torch.int64, torch.int32)
    if scalar:
        _check_port(path, timesteps, "one timestep for all rows is", timesteps.shape, dtypes)
    else:
        _check_port(path, timesteps, "a timestep for each row is", (batch,), dtypes)
        if batch is None and timesteps.shape[0] is not None:
            raise ModelError(f"{path}: {timesteps.name} is {timesteps}, but the number of latents is free.")
    fixed = next((port.shape[0] for port in (latents, embeds) if port.shape[0] is not None), None)
    largest = max(shapes.most_rows, LARGEST_BATCH)
    if fixed is not None and not 1 <= fixed <= largest:
        raise ModelError(
            f"{path} takes {fixed} rows a call. This stream has 1 to {shapes.most_rows} rows and fills up at most"
            f" {largest}."
        )
    return EngineSignature(ports, scalar, fixed)


def _in_words(role: str) -> str:
    """Return an input for people. An extra input is called by its name."""
    return IN_WORDS.get(role, role)


def _expected_latents(shapes: Shapes) -> str:
    beside = ", with the source beside them," if shapes.sees_source else ""
    return f"the latents of this model at this size{beside} are"


def _assign_inputs(path: Path, network: Network, roles: tuple[str, ...]) -> dict[str, TensorPort]:
    """Return the network's input for each of `roles`, in their order."""
    ports: dict[str, TensorPort] = {}
    for port in network.inputs:
        matches = (role for role in roles if re.fullmatch(INPUT_NAMES.get(role, re.escape(role)), port.name, re.I))
        role = next(matches, None)
        if role is None or role in ports:
            others = ", ".join(other.name for other in network.inputs if other is not port)
            *given, last = map(_in_words, roles)
            raise ModelError(
                f"{path} needs an input '{port.name}', {port}. A stream has {', '.join(given)} and {last},"
                f" such as {others}."
            )
        ports[role] = port
    if absent := [role for role in roles if role not in ports]:
        raise ModelError(
            f"{path} has no input for the {' and the '.join(absent)}, which a denoiser of this model needs."
        )
    return {role: ports[role] for role in roles}


def _check_port(
    path: Path, port: TensorPort, expected: str, shape: tuple[int | None, ...], dtypes: tuple[torch.dtype, ...] = FLOATS
) -> None:
    """Raise `ModelError` if the port has another shape or none of the dtypes. A free side matches any length."""
    sides = zip(port.shape, shape, strict=False)
    if (
        len(port.shape) != len(shape)
        or any(None not in (side, wanted) and side != wanted for side, wanted in sides)
        or port.dtype not in dtypes
    ):
        raise ModelError(f"{path}: {port.name} is {port}, but {expected} {TensorPort('', shape, dtypes[0])}.")
