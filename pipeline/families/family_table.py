"""The table of families. To add a model family, add a module with its `Family` and a row here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.families import flux, flux2, hunyuan_image, sana, sd3, unet, z_image
from pipeline.families.family import Family
from pipeline.model_files import read_json
from presets.errors import ModelError

FAMILIES = (
    unet.SDXL,
    unet.STABLE_DIFFUSION,
    sd3.SD3,
    flux.FLUX,
    flux2.FLUX2,
    sana.SANA,
    z_image.Z_IMAGE,
    hunyuan_image.HUNYUAN_IMAGE,
)
"""Every family. The first one that matches a folder plays it."""

NOT_PLAYED = {
    "SanaVideoTransformer3DModel": "it draws films, and the stream draws pictures",
}
"""Classes of networks that diffusers has and no family plays, with the reason."""

KONTEXT = "it edits a source that its network sees, and FLUX.1 is played without. FLUX.2-klein edits sources"
PIPELINES_NOT_PLAYED = {
    "FluxKontextPipeline": KONTEXT,
    "FluxKontextInpaintPipeline": KONTEXT,
    "HunyuanImageRefinerPipeline": "it refines pictures that HunyuanImage has drawn, and draws none",
    "Flux2KleinKVPipeline": "its network reads the source once and keeps that. FLUX.2-klein without KV is played",
}
"""Classes of pipelines whose networks have the class and the configuration of a family, and were trained for another
use, with the reason."""


def find_family(folder: Path, index: Mapping[str, Any]) -> Family:
    """Return the family that plays a folder, by its ``model_index.json`` and the configuration of its network.

    Raises:
        ModelError: no family plays its network, with the reason, or a configuration is missing.
    """
    pipeline = str(index.get("_class_name"))
    if pipeline in PIPELINES_NOT_PLAYED:
        raise ModelError(f"{folder} is a {pipeline}: {PIPELINES_NOT_PLAYED[pipeline]}.")
    networks = [each for each in ("unet", "transformer") if isinstance(index.get(each), list)]
    configs = {each: read_json(folder / each / "config.json") for each in networks}
    for family in FAMILIES:
        entry = index.get(family.network)
        named = isinstance(entry, list) and len(entry) == 2 and entry[1] == family.network_class
        if named and family.matches(configs[family.network]):
            return family
    path = folder / "model_index.json"
    for network in ("unet", "transformer"):
        entry = index.get(network)
        if isinstance(entry, list) and len(entry) == 2:
            supported = " or ".join(dict.fromkeys(row.network_class for row in FAMILIES if row.network == network))
            reason = f": {NOT_PLAYED[entry[1]]}" if entry[1] in NOT_PLAYED else f"; this version supports {supported}"
            raise ModelError(f"The {network} of {folder} is a {entry[1]}{reason}.")
    raise ModelError(f"{path} names no unet and no transformer; every model needs one.")
