"""`Adapters`: what is put on a model, LoRAs, a ControlNet and an IP-Adapter, with the inputs that they add."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pipeline.controlnet.controlled_unet import PICTURE, SCALE, ControlledUNet
from pipeline.controlnet.controlnet_folder import ControlNetFolder, open_controlnet
from pipeline.controlnet.depth_folder import DepthFolder, open_depth_model
from pipeline.encoded_text import IMAGE_TOKENS
from pipeline.extra_inputs import declare_extra_input
from pipeline.families.family import Config, Family
from pipeline.ip_adapter.adapter_file import IpAdapter, open_ip_adapter
from pipeline.ip_adapter.image_attention import SCALE as IMAGE_SCALE
from pipeline.ip_adapter.image_attention import add_ip_adapter
from pipeline.ip_adapter.image_prompts import ImagePrompts, load_image_prompts
from pipeline.loras.lora_set import NO_LORAS, LoraSet, open_loras


@dataclass(frozen=True)
class Adapters:
    """Everything that is put on one model. All of it is optional."""

    loras: LoraSet = NO_LORAS
    controlnet: ControlNetFolder | None = None
    depth: DepthFolder | None = None
    """Depth model that makes the control pictures; None if they are made otherwise."""
    ip_adapter: IpAdapter | None = None

    @property
    def words(self) -> str:
        """Names of the files behind the name of a model, for people; empty for none."""
        control = f" with ControlNet {self.controlnet.path.name}" if self.controlnet else ""
        image = f" with IP-Adapter {self.ip_adapter.path.stem}" if self.ip_adapter else ""
        return f"{self.loras.words}{control}{image}"

    @property
    def digests(self) -> tuple[str, ...]:
        """Digests of the files, a part of the key of everything that is compiled with them."""
        control = (f"ControlNet {self.controlnet.digest}",) if self.controlnet else ()
        return (*self.loras.digests, *control, *((f"IP-Adapter {self.ip_adapter.digest}",) if self.ip_adapter else ()))

    @property
    def numbers(self) -> tuple[tuple[str, int], ...]:
        """Extra inputs of numbers (`pipeline.extra_inputs`): the name of each, and its numbers a row."""
        control = ((SCALE, 1),) if self.controlnet else ()
        return (*self.loras.numbers, *control, *(((IMAGE_SCALE, 1),) if self.ip_adapter else ()))

    def tensors(self, width: int, height: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Return the extra inputs of one tensor a picture: the name of each and its shape, at a size in pixels."""
        return ((PICTURE, (3, height, width)),) if self.controlnet else ()

    @property
    def image(self) -> tuple[int, int] | None:
        """``(N, D)`` of the tokens of an image beside each text; None without an IP-Adapter."""
        return self.ip_adapter.image if self.ip_adapter else None

    def image_prompts(self) -> ImagePrompts | None:
        """Return the encoder of images; None without an IP-Adapter. Raises `ModelError` if it can't be loaded."""
        return load_image_prompts(self.ip_adapter) if self.ip_adapter else None

    def put_on(self, network: Any, component: str, dtype: torch.dtype) -> Any:
        """Return the network of a component with what is put on it, all or nothing.

        Args:
            network: The network, on the processor. Its layers may be replaced.
            component: Name of the component.
            dtype: Type of its weights.

        Raises:
            ModelError: a file does not fit.
        """
        if component != "unet":
            self.loras.add_to(network, component)
            return network
        beside = self.controlnet.read(dtype) if self.controlnet else None
        names = [name for name, _ in (*self.numbers, *self.tensors(0, 0))]
        for name in (*names, IMAGE_TOKENS) if self.ip_adapter else names:  # in the order of `Shapes.row_inputs`
            declare_extra_input(network, name)
        self.loras.add_to(network, component)
        if self.ip_adapter:
            add_ip_adapter(network, self.ip_adapter)
        return network if beside is None else ControlledUNet(network, beside)


NO_ADAPTERS = Adapters()


def open_adapters(
    loras: Sequence[str],
    controlnet: tuple[str, str],
    ip_adapter: tuple[str, str],
    model: str,
    family: Family,
    config: Config,
    parts: Collection[str],
    factor: int,
) -> Adapters:
    """Return what is put on a model, after checking all that headers and configurations tell.

    Args:
        loras: LoRA files. Empty names are none.
        controlnet: Folder of the ControlNet, empty for none, and name of the depth model that makes its pictures, empty
            if they are made otherwise.
        ip_adapter: File of the IP-Adapter, empty for none, and folder of its image encoder.
        model: Name of the model.
        family: Its family.
        config: Configuration of its network.
        parts: Components of its folder.
        factor: Pixels along a side of one latent pixel.

    Raises:
        ModelError: a file can't be read, or is known to be for another kind of model.
    """
    return Adapters(
        open_loras(loras, model, family, config, parts),
        open_controlnet(controlnet[0], model, family, config, factor),
        open_depth_model(controlnet[1]) if all(controlnet) else None,
        open_ip_adapter(*ip_adapter, model, family, config),
    )
