"""`ControlledUNet`: a UNet of diffusers and a ControlNet (arXiv:2302.05543) as one network.

The control picture and its scale are inputs of the network (`pipeline.extra_inputs`), so that they change with every
picture, rows of one batch may differ, and neither is part of a compiled engine.
"""

from typing import Any

import torch
from torch import nn

from pipeline.extra_inputs import declare_extra_input

SCALE = "control_scale"
"""Name of the input ``[B, 1]``: factor of what the ControlNet adds to each row. At 0 a row is the UNet's alone."""
PICTURE = "control_picture"
"""Name of the input ``[B, 3, H, W]``: control pictures, 0 to 1."""


class _GivenTime:
    """Projected timesteps of the present call. It is no module, like `pipeline.extra_inputs.ExtraInputs`."""

    rows: torch.Tensor | None = None


class _TimeProjection(nn.Module):
    """Replacement of the ControlNet's projection of timesteps by the one that its UNet has computed."""

    def __init__(self, given: _GivenTime) -> None:
        super().__init__()
        self.given = given

    def forward(self, timesteps: torch.Tensor) -> Any:
        return self.given.rows


class ControlledUNet(nn.Module):
    """A UNet with the residuals of a ControlNet, both called with the same inputs, as in diffusers' pipelines.

    It is called as ``UNet2DConditionModel``. Extra inputs that the UNet has already, such as weights of LoRAs, are
    those of this network too.
    """

    def __init__(self, unet: Any, controlnet: Any) -> None:
        """
        Args:
            unet: ``UNet2DConditionModel``.
            controlnet: ``ControlNetModel`` that fits it, of the same dtype. Its projection of timesteps is replaced.
        """
        super().__init__()
        self.unet = unet
        self.controlnet = controlnet
        for name in (SCALE, PICTURE):
            self._inputs = declare_extra_input(unet, name)
        self._time = _GivenTime()
        controlnet.time_proj = _TimeProjection(self._time)

    @property
    def config(self) -> Any:
        """Configuration of the UNet."""
        return self.unet.config

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        device: torch.device = self.unet.device
        return device

    @property
    def time_proj(self) -> Any:
        """Projection of timesteps, of both networks."""
        return self.unet.time_proj

    def forward(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        timestep_cond: torch.Tensor | None = None,
        added_cond_kwargs: dict[str, torch.Tensor] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Return the output as the UNet does. Timesteps are ``[B]``, or ``[B, P]`` where they are projected already."""
        # `pipeline.graphs.DenoiserGraph` replaces this function of the UNet where it projects timesteps outside.
        self._time.rows = self.unet.get_time_embed(sample=sample, timestep=timestep)
        try:
            down, middle = self.controlnet(
                sample,
                timestep if timestep.ndim == 1 else timestep[:, 0],  # not used
                encoder_hidden_states,
                self._inputs[PICTURE].to(sample.dtype),
                conditioning_scale=self._inputs[SCALE].to(sample.dtype).view(-1, 1, 1, 1),
                added_cond_kwargs=added_cond_kwargs,
                return_dict=False,
            )
        finally:
            self._time.rows = None
        return self.unet(
            sample,
            timestep,
            encoder_hidden_states,
            timestep_cond=timestep_cond,
            added_cond_kwargs=added_cond_kwargs,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=return_dict,
        )


def drawing_unet(network: Any) -> Any:
    """Return the UNet of a network: the network itself, or the one that has a ControlNet beside it."""
    return network.unet if isinstance(network, ControlledUNet) else network
