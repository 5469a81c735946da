"""Keys of preset files by what becomes of them: left as they are, left alone by panic, or emptied with others."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from presets.build import REBUILD_KEYS
from presets.parameter_table import PARAMETERS
from presets.rebuild_parameters import LORAS
from presets.source_parameters import SOURCE_KEYS

KEPT_KEYS = REBUILD_KEYS | {
    parameter.key for parameter in PARAMETERS.values() if parameter.stays and parameter.in_presets
}
"""Keys that a preset leaves as they are if its file does not name them."""

RIG_KEYS = REBUILD_KEYS | SOURCE_KEYS
"""Keys of the renderer and the source. Panic leaves them alone, and a preset is saved with those it was loaded with."""

LORA_KEYS = frozenset(f"lora{place}" for place in range(1, LORAS + 1))
"""Keys of the files of LoRAs."""

MORPH_KEYS = frozenset({"morph", "morph_beats", "morph_pictures"})
"""Lengths of a morph, of which one counts."""

ADAPTER_KEYS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "controlnet": frozenset({"controlnet", "controlnet_preprocessor", "controlnet_depth_model"}),
        "ip_adapter": frozenset({"ip_adapter", "ip_adapter_encoder"}),
    }
)
"""Keys of the other adapters, by the one that names it."""

PRESET_KEYS = tuple(dict.fromkeys(parameter.key for parameter in PARAMETERS.values() if parameter.in_presets))
"""Parameter keys that a preset may name, in the order of the declaration."""


def emptied_by(keys: Collection[str]) -> set[str]:
    """Return the keys that are none in a file that names these, unless it names them.

    They are what fits one model alone, and the other lengths of a morph.
    """
    emptied = {"autoencoder", "engine", *LORA_KEYS} if "model" in keys else set()
    for key, together in ADAPTER_KEYS.items():
        if "model" in keys or key in keys:
            emptied |= together
    if not MORPH_KEYS.isdisjoint(keys):
        emptied |= MORPH_KEYS
    if "model" in keys or "controlnet" in keys:  # not every network can reuse what it has kept
        emptied |= {"reuse"}
    return emptied
