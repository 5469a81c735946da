"""The family of Z-Image and Z-Image-Turbo: its single-stream transformer with Qwen 3."""

from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad

from pipeline.conditioning import ConditioningShape
from pipeline.denoiser import ConditioningRows
from pipeline.families.family import QWEN_NETWORKS, QWEN_TOKENIZERS, Config, Family, PictureShape, check_channels
from pipeline.families.rotation import RotatedAttention, rotations
from pipeline.text_encoders.qwen import TOKENS, ZImageText, z_image_shape
from presets.errors import ModelError, StreamError

MULTIPLE = 32
"""Texts and pictures are padded with trained tokens to a multiple of it."""
PATCH = "2-1"
"""Name of the layers for tokens of 2 × 2 latent pixels of one frame."""


class ZImageDenoiser(nn.Module):
    """diffusers' `ZImageTransformer2DModel` (arXiv:2511.22699) as a `pipeline.denoiser.Denoiser`.

    diffusers' network takes a list of pictures and a list of texts of different lengths. The stream has one shape for
    all, so this adapter runs the network's layers itself: texts of full length under a mask, and positions by the
    length of each text. It gives each row what the network gives it alone.
    """

    embedded_guidance = False
    """The network does not take the guidance scale as an input."""
    # Integers, so that conversion of the module to a half type does not change them.
    places: torch.Tensor
    is_picture: torch.Tensor

    def __init__(self, transformer: Any, latent_shape: tuple[int, int, int]) -> None:
        """
        Args:
            transformer: The network, on its device and in eval mode. Its attention is replaced by one that a graph can
                hold.
            latent_shape: ``(C, h, w)`` of one latent, h and w even.
        """
        super().__init__()
        self.transformer = transformer
        for name, module in transformer.named_modules():
            if name.endswith(".attention"):
                module.set_processor(RotatedAttention())
        _, height, width = latent_shape
        tokens = height * width // 4
        options = {"device": transformer.device, "dtype": torch.int64}
        places = torch.zeros(height // 2, width // 2, 3, **options)
        places[..., 1] = torch.arange(height // 2, **options)[:, None]
        places[..., 2] = torch.arange(width // 2, **options)
        spare = -tokens % MULTIPLE
        self.register_buffer("places", pad(places.flatten(0, 1), (0, 0, 0, spare)), persistent=False)
        self.register_buffer("is_picture", (torch.arange(tokens + spare, **options) < tokens).long(), persistent=False)
        self._tokens = tokens

    def conditioning(self, tokens: int) -> ConditioningShape:
        """Return the shape of a text of `tokens` tokens."""
        return ConditioningShape((tokens, self.transformer.config.cap_feat_dim), masked=True)

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """Return the output, as `pipeline.denoiser.Denoiser`, with the sign of SD3's. Timesteps ``[B]`` are 1000σ."""
        network, rows = self.transformer, latents.shape[0]
        # The network's time runs from noise to picture.
        time = network.t_embedder((1000.0 - timesteps) / 1000.0 * network.t_scale).type_as(latents)
        words, places, is_text = self._words(conditioning)
        picture = network.all_x_embedder[PATCH](_patches(latents))
        spare = self.places.shape[0] - self._tokens
        picture = torch.cat([picture, network.x_pad_token.expand(rows, spare, -1)], dim=1)

        turns = self._picture_rotations(is_text)
        for layer in network.noise_refiner:
            picture = layer(picture, None, turns, time)
        word_turns = self._rotations(places)
        for layer in network.context_refiner:
            words = layer(words, is_text, word_turns)

        tokens = torch.cat([picture, words], dim=1)
        turns = torch.cat([turns, word_turns.expand(rows, -1, -1, -1)], dim=1)
        mask = torch.cat([torch.ones_like(picture[..., 0], dtype=torch.bool), is_text], dim=1)
        for layer in network.layers:
            tokens = layer(tokens, mask, turns, time)
        out = network.all_final_layer[PATCH](tokens[:, : self._tokens], c=time)
        return -_latents(out, latents.shape)

    def _words(self, conditioning: ConditioningRows) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the tokens of the texts ``[B, L, D]``, their places ``[1, L, 3]``, and which are read ``[B, L]``."""
        spare = -conditioning.embeds.shape[1] % MULTIPLE
        embeds = pad(conditioning.embeds, (0, 0, 0, spare))
        if conditioning.mask is None:
            raise StreamError("Z-Image reads texts with a mask of padding tokens; these have none.")
        count = (conditioning.mask > 0.5).sum(dim=1).clamp(min=1)[:, None]
        place = torch.arange(embeds.shape[1], device=embeds.device)
        words = self.transformer.cap_embedder(embeds)
        words = torch.where((place < count)[..., None], words, self.transformer.cap_pad_token)
        read = place < (count + MULTIPLE - 1) // MULTIPLE * MULTIPLE
        return words, pad((place + 1)[None, :, None], (0, 2)), read

    def _picture_rotations(self, is_text: torch.Tensor) -> torch.Tensor:
        """Return the rotations of the picture's tokens, which come after the text of their row."""
        after = is_text.sum(dim=1)[:, None] + 1
        first = pad((after * self.is_picture)[..., None], (0, 2))
        return self._rotations(self.places + first)

    def _rotations(self, places: torch.Tensor) -> torch.Tensor:
        return rotations(places, self.transformer.axes_dims, self.transformer.rope_theta)


def _patches(latents: torch.Tensor) -> torch.Tensor:
    """Return latents ``[B, C, h, w]`` as tokens ``[B, h/2·w/2, 4C]``, in row order, channels last."""
    batch, channels, height, width = latents.shape
    cells = latents.reshape(batch, channels, height // 2, 2, width // 2, 2)
    return cells.permute(0, 2, 4, 3, 5, 1).reshape(batch, height * width // 4, 4 * channels)


def _latents(patches: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Return tokens as latents of `shape`, the inverse of `_patches`."""
    batch, channels, height, width = shape
    cells = patches.reshape(batch, height // 2, width // 2, 2, 2, channels)
    return cells.permute(0, 5, 1, 3, 2, 4).reshape(shape)


def _check(folder: str, config: Config, channels: int) -> None:
    check_channels(folder, config, channels, f"its vae has latents of {channels}.")
    for key, known in (("all_patch_size", [2]), ("all_f_patch_size", [1]), ("siglip_feat_dim", None)):
        if config.get(key, known) != known:
            raise ModelError(
                f"The transformer of {folder} has {key}={config[key]!r}; this version supports {known!r}. Omni variants"
                " have others."
            )
    lengths = config.get("axes_lens", [1024, 512, 512])
    if not isinstance(lengths, list) or len(lengths) != 3 or not all(type(each) is int for each in lengths):
        raise ModelError(f"The transformer of {folder} has axes_lens={lengths!r}; it must be three whole numbers.")


def _adapter(network: Any, shape: PictureShape) -> nn.Module:
    # The network was trained with a table of positions, and diffusers fails far inside for a larger picture.
    text, *sides = network.config.axes_lens
    longest = max(side // 2 for side in shape.latent[1:])
    if longest > min(sides) or text < TOKENS + 2:
        most = shape.width * 2 * min(sides) // shape.latent[2]
        raise ModelError(
            f"This model draws at most {most} pixels a side, after texts of {text - 2} tokens; {shape.width} ×"
            f" {shape.height} after {TOKENS} is more."
        )
    return ZImageDenoiser(network, shape.latent)


Z_IMAGE = Family(
    title="Z-Image",
    network="transformer",
    components={
        "transformer": ("ZImageTransformer2DModel",),
        "text_encoder": QWEN_NETWORKS,
        "tokenizer": QWEN_TOKENIZERS,
    },
    check=_check,
    text=ZImageText,
    text_shape=z_image_shape,
    adapter=_adapter,
    latent_multiple=2,
    flow_matching=MappingProxyType({"shift_rule": "linear"}),
)
