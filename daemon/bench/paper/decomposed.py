"""The paper's adaptive forward over any denoiser: one call when all timesteps agree, else one for each distinct one."""

import torch

from pipeline.denoiser import ConditioningRows, Denoiser


def decomposed(denoiser: Denoiser) -> Denoiser:
    """The same answers from a network that is only ever told one timestep at a time.

    As with the compiled engines of the paper, which take a scalar: rows of one timestep go together. Only sizes that
    the denoiser is prepared for are asked of it if it is prepared for every size up to its largest, as a stream of
    pictures one step apart needs them: one row each, or two with guidance.
    """

    def call(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        distinct = torch.unique(timesteps).tolist()
        if len(distinct) == 1:
            return denoiser(latents, timesteps, conditioning)
        out = torch.empty_like(latents)
        for timestep in distinct:
            rows = (timesteps == timestep).nonzero()[:, 0]
            mask, pooled, guidance = (None if each is None else each[rows] for each in conditioning[1:])
            some = ConditioningRows(conditioning.embeds[rows], mask, pooled, guidance)
            out[rows] = denoiser(latents[rows], timesteps[rows], some)
        return out

    return call
