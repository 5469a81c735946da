"""`LoraSet`: the LoRAs on one model, checked by what headers and configurations tell before a network is loaded."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from pipeline.extra_inputs import ExtraInputs
from pipeline.families.family import Config, Family
from pipeline.loras.lora_file import COMPONENTS, LoraFile, open_lora
from pipeline.loras.lora_kinds import SDXL, text_width_kind
from pipeline.loras.lora_layers import WEIGHTS, add_loras
from presets.errors import ModelError


@dataclass(frozen=True)
class LoraSet:
    """LoRAs on one model. The networks take a weight for each, in this order."""

    files: tuple[LoraFile, ...] = ()

    @property
    def words(self) -> str:
        """Names of the files behind the name of a model, for people; empty for none."""
        return f" with LoRA {', '.join(lora.path.stem for lora in self.files)}" if self.files else ""

    @property
    def digests(self) -> tuple[str, ...]:
        """Digests of the files, a part of the key of everything that is compiled with their branches."""
        return tuple(lora.digest for lora in self.files)

    @property
    def numbers(self) -> tuple[tuple[str, int], ...]:
        """Extra inputs of a network with them (`pipeline.extra_inputs`): the name of each, and its numbers a row."""
        return ((WEIGHTS, len(self.files)),) if self.files else ()

    @property
    def has_texts(self) -> bool:
        """True if one of them is for a text encoder too, so that texts depend on its weight."""
        return any(lora.names_of(component) for lora in self.files for component in COMPONENTS)

    def add_to(self, network: Any, component: str) -> None:
        """Put their branches for a component into its network, all or none, as `lora_layers.add_loras`."""
        add_loras(network, component, self.files)

    @contextmanager
    def weigh(self, text_encoders: Sequence[ExtraInputs], weights: Sequence[float]) -> Iterator[None]:
        """Set a weight for each of them in text encoders, for the texts that are encoded within the context."""
        row = torch.tensor([weights])
        with ExitStack() as stack:
            for inputs in text_encoders:
                stack.enter_context(inputs.given([row for _ in inputs.names]))
            yield


NO_LORAS = LoraSet()


def open_loras(names: Sequence[str], model: str, family: Family, config: Config, parts: Collection[str]) -> LoraSet:
    """Return the LoRAs that are put on a model.

    What no header tells is checked when a network is read: each branch is compared with its layer.

    Args:
        names: Paths of the files. Empty names are none.
        model: Name of the model.
        family: Its family.
        config: Configuration of its network.
        parts: Components of its folder.

    Raises:
        ModelError: a file can't be read, or is known to be for another kind of model; or the family takes none.
    """
    files = tuple(open_lora(name) for name in names if name)
    if files and not family.takes_loras:
        raise ModelError(
            f"{model} is a model of the family {family.title}, on which this version puts no LoRA. Set lora1 to lora4"
            " to none, or choose a model of Stable Diffusion 1.5, 2.1 or SDXL."
        )
    is_sdxl = config.get("addition_embed_type") == "text_time"
    mine = SDXL if is_sdxl else text_width_kind(config.get("cross_attention_dim"))
    for lora in files:
        if lora.kind and mine and lora.kind != mine:
            raise ModelError(f"{lora.path} is a LoRA for {lora.kind}, and {model} is {mine}. Take a LoRA for {mine}.")
        if lacking := next((each for each in COMPONENTS if each not in parts and lora.names_of(each)), ""):
            raise ModelError(f"{lora.path} has weights for a {lacking}, which {model} lacks. It is for another model.")
    return LoraSet(files)
