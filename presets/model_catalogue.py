"""Catalogue of the models that a preset can name: where each is published, what it needs, and its licence.

A revision is a commit of the repository as others have cited it. Where no citation was found it is empty:
``models pull`` then takes the newest one and records it. Sizes are those that the repositories' pages list, rounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

PaidShow = Literal["yes", "no", "ask"]
"""Permission to play at a show that pays, as far as the licence's text says. "ask" depends on who plays."""


@dataclass(frozen=True, slots=True)
class Licence:
    """Licence of a model in one line. Its text is the publisher's, and this is no legal advice."""

    text: str
    paid_show: PaidShow


@dataclass(frozen=True, slots=True)
class TinyAutoencoder:
    """A small autoencoder for the latents of a larger one (github.com/madebyollin/taesd), under the MIT licence."""

    hub_id: str
    revision: str
    channels: int
    """Channels of its latents."""


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One model, by the name that a preset gives it."""

    name: str
    title: str
    hub_id: str
    revision: str
    """Commit of 40 hexadecimal digits. Empty takes the newest."""
    licence: Licence
    network: str
    """Class of the network in diffusers."""
    steps: tuple[int, int]
    """Usual number of steps, fewest and most."""
    guidance: tuple[float, float]
    """Usual guidance, least and most. 1 is off."""
    size: int
    """Side in px that it was trained for."""
    variant: str = ""
    """Variant of the weights that is taken if the repository has it, such as ``fp16``."""
    scheduler: str = ""
    """Row of `SCHEDULERS` that replaces the repository's. Empty keeps it."""
    autoencoder: str = ""
    """Row of `TINY_AUTOENCODERS` that is put beside the repository's. Empty for none."""
    gated: bool = False
    """True if the publisher asks for an account and consent first."""
    download: float | None = None
    """Size of the download in GB, about. None if no source was found."""


@dataclass(frozen=True, slots=True)
class DepthModel:
    """One depth model, by the name that a preset gives it. Its repository has transformers' format."""

    name: str
    title: str
    hub_id: str
    revision: str
    licence: Licence
    download: float
    """Size of the download in GB, about."""


_BETAS = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
_PERFLOW = {"_class_name": "PeRFlowScheduler", **_BETAS, "num_time_windows": 4, "t_noise": 1, "t_clean": 0}

SCHEDULERS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "perflow": _PERFLOW | {"prediction_type": "diff_eps"},
        "perflow-sd21": _PERFLOW | {"prediction_type": "velocity"},
        "perflow-sdxl": _PERFLOW | {"prediction_type": "ddim_eps"},
        "instaflow": {"_class_name": "StraightFlowScheduler", "num_train_timesteps": 1000},
        "lcm": {"_class_name": "LCMScheduler", **_BETAS, "original_inference_steps": 50, "prediction_type": "epsilon"},
        "euler-ancestral": {"_class_name": "EulerAncestralDiscreteScheduler", **_BETAS, "prediction_type": "epsilon"},
    }
)
"""``scheduler_config.json`` by the names that ``models adopt --scheduler`` takes."""

TINY_AUTOENCODERS: Mapping[str, TinyAutoencoder] = MappingProxyType(
    {
        "taesd": TinyAutoencoder("madebyollin/taesd", "614f76814bbe30edbe2e627ace1c2234c81a2c0e", 4),
        "taesdxl": TinyAutoencoder("madebyollin/taesdxl", "b20258aaef75ef61e659c1e0f14f251cf0ad153e", 4),
        "taesd3": TinyAutoencoder("madebyollin/taesd3", "d58dcaccd2b36fcb7a6b9e93c1cc507acab5a778", 16),
        "taef1": TinyAutoencoder("madebyollin/taef1", "5463ee684fd9131a724bea777a2f50d89b0b6b24", 16),
    }
)
"""Tiny autoencoders that diffusers' ``AutoencoderTiny`` loads. taef2 and taesana have other layers."""

_NON_COMMERCIAL = Licence("CC BY-NC 4.0", "no")
_STABILITY = Licence("Stability Community: free below 1 M US$ of revenue a year", "ask")
_APACHE = Licence("Apache-2.0", "yes")
_FLUX_DEV = Licence("FLUX.1 [dev] Non-Commercial", "no")
_NVIDIA = Licence("Apache-2.0 or NVIDIA's NSCL, sources differ; Gemma's terms", "ask")

_MIT_BY_CARD = Licence("MIT, by its card", "yes")

_UNET = "UNet2DConditionModel"
_SD3 = "SD3Transformer2DModel"
_SANA = "SanaTransformer2DModel"

_ROWS = (
    CatalogueModel(
        "perflow-sd15", "PeRFlow SD1.5 (DreamShaper)", "hansyan/perflow-sd15-dreamshaper", "", _NON_COMMERCIAL,
        _UNET, (4, 8), (4.5, 7.5), 512, scheduler="perflow", autoencoder="taesd",
    ),
    CatalogueModel(
        "perflow-sdxl", "PeRFlow SDXL", "hansyan/perflow-sdxl-base", "", _NON_COMMERCIAL,
        _UNET, (4, 6), (1.5, 2.5), 1024, variant="v0-fix", scheduler="perflow-sdxl", autoencoder="taesdxl",
    ),
    CatalogueModel(
        "instaflow", "InstaFlow 0.9B", "XCLiu/instaflow_0_9B_from_sd_1_5", "5095524f30694797f224357bc4eaaff75925ffa8",
        _NON_COMMERCIAL, _UNET, (1, 1), (1.0, 1.0), 512, scheduler="instaflow", autoencoder="taesd", download=3.9,
    ),
    CatalogueModel(
        "sd35-large-turbo", "Stable Diffusion 3.5 Large Turbo", "stabilityai/stable-diffusion-3.5-large-turbo",
        "ec07796fc06b096cc56de9762974a28f4c632eda", _STABILITY,
        _SD3, (4, 4), (1.0, 1.0), 1024, autoencoder="taesd3", gated=True, download=28,
    ),
    CatalogueModel(
        "sd35-medium", "Stable Diffusion 3.5 Medium", "stabilityai/stable-diffusion-3.5-medium",
        "b940f670f0eda2d07fbb75229e779da1ad11eb80", _STABILITY,
        _SD3, (28, 40), (3.5, 5.0), 1024, autoencoder="taesd3", gated=True,
    ),
    CatalogueModel(
        "flux-schnell", "FLUX.1 [schnell]", "black-forest-labs/FLUX.1-schnell",
        "741f7c3ce8b383c54771c7003378a50191e9efe9", _APACHE,
        "FluxTransformer2DModel", (1, 4), (1.0, 1.0), 1024, autoencoder="taef1", download=34,
    ),
    CatalogueModel(
        "flux-dev", "FLUX.1 [dev]", "black-forest-labs/FLUX.1-dev", "3de623fc3c33e44ffbe2bad470d0f45bccf2eb21",
        _FLUX_DEV, "FluxTransformer2DModel", (28, 50), (3.5, 3.5), 1024, autoencoder="taef1", gated=True,
    ),
    CatalogueModel(
        "flux2-klein", "FLUX.2 [klein] 4B", "black-forest-labs/FLUX.2-klein-4B",
        "e7b7dc27f91deacad38e78976d1f2b499d76a294", _APACHE,
        "Flux2Transformer2DModel", (4, 4), (1.0, 1.0), 1024, download=16,
    ),
    CatalogueModel(
        "sana-sprint-06b", "SANA-Sprint 0.6B", "Efficient-Large-Model/Sana_Sprint_0.6B_1024px_diffusers",
        "a7d9fc31dd5c3f5e22dbfd78360777ceed56ae97", _NVIDIA,
        _SANA, (1, 4), (4.5, 4.5), 1024,
    ),
    CatalogueModel(
        "sana-sprint-16b", "SANA-Sprint 1.6B", "Efficient-Large-Model/Sana_Sprint_1.6B_1024px_diffusers",
        "19683c58b7ea290e55cedd8950ae1d86ada7ef96", _NVIDIA,
        _SANA, (1, 4), (4.5, 4.5), 1024,
    ),
    CatalogueModel(
        "z-image-turbo", "Z-Image-Turbo 6B", "Tongyi-MAI/Z-Image-Turbo", "f332072aa78be7aecdf3ee76d5c247082da564a6",
        _APACHE, "ZImageTransformer2DModel", (8, 8), (1.0, 1.0), 1024, autoencoder="taef1",
    ),
    CatalogueModel(
        "sd-turbo", "SD-Turbo", "stabilityai/sd-turbo", "b261bac6fd2cf515557d5d0707481eafa0485ec2", _STABILITY,
        _UNET, (1, 4), (1.0, 1.0), 512, variant="fp16", autoencoder="taesd",
    ),
    CatalogueModel(
        "sdxl-turbo", "SDXL-Turbo", "stabilityai/sdxl-turbo", "71153311d3dbb46851df1931d3ca6e939de83304", _STABILITY,
        _UNET, (1, 4), (1.0, 1.0), 512, variant="fp16", autoencoder="taesdxl",
    ),
    CatalogueModel(
        "lcm", "LCM DreamShaper v7", "SimianLuo/LCM_Dreamshaper_v7", "a85df6a8bd976cdd08b4fd8f3b73f229c9e54df5",
        _MIT_BY_CARD, _UNET, (1, 8), (8.0, 8.0), 512, autoencoder="taesd", download=3.9,
    ),
    CatalogueModel(
        "instruct-pix2pix", "InstructPix2Pix", "timbrooks/instruct-pix2pix", "31519b5cb02a7fd89b906d88731cd4d6a7bbf88d",
        _MIT_BY_CARD, _UNET, (10, 100), (7.5, 7.5), 512, variant="fp16", scheduler="euler-ancestral",
        autoencoder="taesd",
    ),
)  # fmt: skip

CATALOGUE: Mapping[str, CatalogueModel] = MappingProxyType({row.name: row for row in _ROWS})
"""Every model by its name."""

DEPTH_MODEL = "depth-anything-v2-small"
"""Depth model where a preset names none."""

DEPTH_MODELS: Mapping[str, DepthModel] = MappingProxyType(
    {
        DEPTH_MODEL: DepthModel(
            DEPTH_MODEL, "Depth Anything V2 Small", "depth-anything/Depth-Anything-V2-Small-hf",
            "5426e4f0f36572d16453bbda7a8389317b1bef99", _APACHE, 0.1,
        ),
    }
)  # fmt: skip
"""Depth models by name, for the preprocessor ``depth``. Base and Large are CC BY-NC 4.0."""
