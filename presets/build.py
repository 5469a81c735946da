"""`Build`: everything that a renderer is built with, as one value that both processes share.

Its parameters are those of `RebuildParameters`, so a field declared there is part of every build, its equality and its
JSON with no other edit. To these it adds the limits of the machine.
"""

from pathlib import Path
from typing import Any, Literal

from presets.model_catalogue import DEPTH_MODEL
from presets.parameter_table import Value
from presets.parameters import Parameters
from presets.rebuild_parameters import RebuildParameters

REBUILD_KEYS = frozenset(RebuildParameters.model_fields)
"""Keys of the parameters that start a new renderer. A preset that does not name one leaves it as it is."""

PERMISSIONS = frozenset({"fallback"})
"""Keys that allow another build. They make no build another one."""

EIGHT_BITS = frozenset({"fp8", "int8"})
"""Precisions that need an engine built for them."""

EIGHT_BIT_ACCELERATORS = frozenset({"auto", "tensorrt", "tensorrt_rtx"})
"""Accelerators that may be asked for one of them. `auto` takes it where such an engine is built."""

TextEncoderRule = Literal["auto", "keep", "free"]
"""Rule for a text encoder in main memory once its texts are encoded: free it if memory is short, keep it, free it."""

UnderstudyMode = Literal["auto", "on", "off"]
"""Rule for an understudy: one where the model plays on a processor and memory allows it, one on a GPU too, or none."""


class Build(RebuildParameters):
    """One build of a renderer: a change of any field but the `PERMISSIONS` needs a new renderer."""

    threads: int | None = None
    """Threads of the network; None takes one for each physical core."""
    gpu_share: float | None = None
    """Share of the device's memory and time, above 0; None is all of it. See `pipeline.torch_settings`."""
    text_encoder: TextEncoderRule = "auto"
    """Rule for a large text encoder once its texts are encoded."""
    slots: int = 8
    """Most pictures in flight."""
    cache: Path | None = None
    """Folder of the engine cache; None takes the user's cache folder."""
    skip_memory_check: bool = False
    """True if the model is loaded even where the memory seems to be too short for it."""
    capability: str = ""
    """Compute capability of a card in another machine, as ``8.9``, to build an engine for; empty is this machine."""

    @classmethod
    def of(
        cls,
        parameters: Parameters,
        *,
        threads: int | None = None,
        gpu_share: float | None = None,
        text_encoder: TextEncoderRule = "auto",
        skip_memory_check: bool = False,
        capability: str = "",
    ) -> "Build":
        """Return the build that coerced parameters ask for, within these limits. Nothing is validated again."""
        wanted: dict[str, Any] = {key: getattr(parameters, key) for key in REBUILD_KEYS}
        return cls.model_construct(
            **wanted,
            threads=threads,
            gpu_share=gpu_share,
            text_encoder=text_encoder,
            skip_memory_check=skip_memory_check,
            capability=capability,
        )

    @classmethod
    def decode(cls, text: str) -> "Build":
        """Read what `encode` wrote. Raises `ValueError` for anything else."""
        return cls.model_validate_json(text)

    def encode(self) -> str:
        """Return the build as JSON."""
        return self.model_dump_json()

    def with_accelerator(self, name: str) -> "Build":
        """Return the same build with another accelerator, in a precision that it may have."""
        lacks = self.precision in EIGHT_BITS and name not in EIGHT_BIT_ACCELERATORS
        return self.model_copy(update={"accelerator": name} | ({"precision": "auto"} if lacks else {}))

    def draws_as(self, other: "Build") -> bool:
        """Return True if both are one model, with the same autoencoder and adapters, at one size."""
        adapters = ("loras", "controlnet", "preprocessor", "depth_model", "ip_adapter")
        same = ("model", "autoencoder", "width", "height", *adapters)
        return all(getattr(self, key) == getattr(other, key) for key in same)

    def of_loaded(self, weights: tuple[float, ...]) -> tuple[float, ...]:
        """Return the weights of the LoRAs that are loaded, from those of all places."""
        return tuple(weight for weight, name in zip(weights, self.loras, strict=True) if name)

    def numbers(self, parameters: Parameters, controlled: bool, shows_image: bool) -> tuple[float, ...]:
        """Return the numbers of a picture that the network takes beside its own inputs.

        Args:
            parameters: Parameters of the picture.
            controlled: True if the picture has a control picture. The scale of one without is 0.
            shows_image: True if there is an image beside its prompt. The scale without one is 0.
        """
        control = (parameters.controlnet_scale if controlled else 0.0,) if self.controlnet else ()
        image = (parameters.ip_adapter_scale if shows_image else 0.0,) if self.ip_adapter else ()
        return (*self.of_loaded(parameters.lora_weights), *control, *image)

    @property
    def lora_names(self) -> str:
        """Names of the LoRAs that are loaded, without folder and suffix, for people."""
        return ", ".join(Path(name).stem for name in self.loras if name)

    @property
    def controlnet_name(self) -> str:
        """Name of the ControlNet that is loaded and of its preprocessor, without the folder, for people."""
        return f"{Path(self.controlnet).name} ({self.preprocessor})" if self.controlnet else ""

    @property
    def ip_adapter_name(self) -> str:
        """Name of the IP-Adapter that is loaded, without folder and suffix, for people."""
        return Path(self.ip_adapter).stem

    @property
    def preprocessor(self) -> str:
        """Preprocessor of control pictures; empty without a ControlNet, which has no use for one."""
        return self.controlnet_preprocessor if self.controlnet else ""

    @property
    def depth_model(self) -> str:
        """Name of the depth model that makes control pictures; empty if none is needed."""
        return (self.controlnet_depth_model or DEPTH_MODEL) if self.preprocessor == "depth" else ""

    def values(self) -> dict[str, Value]:
        """Return the parameters of this build by address, without the `PERMISSIONS`."""
        return {f"/{key}": getattr(self, key) for key in RebuildParameters.model_fields if key not in PERMISSIONS}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Build) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __str__(self) -> str:
        engine = f" and {self.engine} for its network" if self.engine else ""
        card = f" for {self.capability}" if self.capability else ""
        loras = f" with LoRA {self.lora_names}" if self.lora_names else ""
        controlnet = f" with ControlNet {self.controlnet_name}" if self.controlnet else ""
        image = f" with IP-Adapter {self.ip_adapter_name}" if self.ip_adapter else ""
        reuse = " with reuse" if self.reuse else ""
        autoencoder = f" with its {self.autoencoder} autoencoder" if self.autoencoder != "auto" else ""
        precision = f" in {self.precision}" if self.precision != "auto" else ""
        model = f"{self.model}{autoencoder}{loras}{controlnet}{image}{reuse}"
        return f"{model} at {self.width}x{self.height} with {self.accelerator}{precision}{engine}{card}"

    def _identity(self) -> tuple[object, ...]:
        return tuple(getattr(self, key) for key in Build.model_fields if key not in PERMISSIONS)
