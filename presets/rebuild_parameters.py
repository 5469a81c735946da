"""Declaration of the parameters that a renderer is built with. `presets.build` derives `Build` from them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from presets.declaration import Effect, LiveOptions
from presets.model_autoencoders import AutoencoderKind

LORAS = 4
"""Number of LoRAs on one model."""

LoraName = Annotated[
    str,
    Field(max_length=1000, description="LoRA on the model: a .safetensors file for its family; empty is none"),
    LiveOptions(Effect.REBUILD),
]


class RebuildParameters(BaseModel):
    """Parameters that a renderer is built with. A change of one starts a new renderer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1000,
            description="'shipped', a name of `models list`, a hub id that was pulled, or a folder in diffusers format",
        ),
        LiveOptions(Effect.REBUILD),
    ] = "shipped"
    autoencoder: Annotated[
        AutoencoderKind,
        Field(
            description="autoencoder of the model: tiny is fast, full has more detail; auto takes the tiny one if there"
            " is one"
        ),
        LiveOptions(Effect.REBUILD),
    ] = "auto"
    width: Annotated[
        int,
        Field(ge=64, le=2048, multiple_of=32, description="width of the picture that the model draws"),
        LiveOptions(Effect.REBUILD, unit="px"),
    ] = 256
    height: Annotated[
        int,
        Field(ge=64, le=2048, multiple_of=32, description="height of the picture that the model draws"),
        LiveOptions(Effect.REBUILD, unit="px"),
    ] = 256
    accelerator: Annotated[
        Literal[
            "auto", "openvino", "onnxruntime", "tensorrt", "tensorrt_rtx", "eager", "compile", "cuda_graphs", "mps"
        ],
        Field(description="software that runs the network; auto takes the fastest that works here"),
        LiveOptions(Effect.REBUILD),
    ] = "auto"
    precision: Annotated[
        Literal["auto", "float32", "float16", "bfloat16", "float16_sums", "fp8", "int8"],
        Field(
            description="numbers that the network computes in; auto takes the accelerator's own or the fastest;"
            " float16_sums adds in float16 too, by torch on an NVIDIA GPU; fp8 and int8 are for TensorRT's engines"
        ),
        LiveOptions(Effect.REBUILD),
    ] = "auto"
    attention: Annotated[
        Literal["sdpa", "flash", "xformers"],
        Field(description="attention where torch runs the network: sdpa lets torch choose, the others are used alone"),
        LiveOptions(Effect.REBUILD),
    ] = "sdpa"
    fallback: Annotated[
        bool,
        Field(description="allow another accelerator if the chosen one can't play"),
        LiveOptions(Effect.REBUILD),
    ] = False
    engine: Annotated[
        str,
        Field(
            max_length=1000,
            description="ONNX or TensorRT file of a compiled network to use in the model's place; empty is none",
        ),
        LiveOptions(Effect.REBUILD),
    ] = ""
    reuse: Annotated[
        bool,
        Field(description="keep deep features of a UNet for the next pictures, as reuse_longest and reuse_change say"),
        LiveOptions(Effect.REBUILD),
    ] = False
    lora1: LoraName = ""
    lora2: LoraName = ""
    lora3: LoraName = ""
    lora4: LoraName = ""
    controlnet: Annotated[
        str,
        Field(
            max_length=1000,
            description="ControlNet beside the model: a folder in diffusers format for its family; empty is none",
        ),
        LiveOptions(Effect.REBUILD),
    ] = ""
    controlnet_preprocessor: Annotated[
        Literal["none", "canny", "depth", "tile"],
        Field(description="control picture: edges of the incoming picture (canny), its depth, or itself (none, tile)"),
        LiveOptions(Effect.REBUILD),
    ] = "none"
    controlnet_depth_model: Annotated[
        str,
        Field(
            max_length=1000,
            description="depth model of the preprocessor depth: a name that was pulled, or a folder; empty is"
            " depth-anything-v2-small",
        ),
        LiveOptions(Effect.REBUILD),
    ] = ""

    ip_adapter: Annotated[
        str,
        Field(
            max_length=1000,
            description="IP-Adapter on the model: a .safetensors file for its family; empty is none",
        ),
        LiveOptions(Effect.REBUILD),
    ] = ""
    ip_adapter_encoder: Annotated[
        str,
        Field(
            max_length=1000,
            description="folder of the IP-Adapter's image encoder; empty is image_encoder beside its file",
        ),
        LiveOptions(Effect.REBUILD),
    ] = ""

    @property
    def loras(self) -> tuple[str, ...]:
        """Files of all LoRAs, by place. An empty name is none."""
        return self.lora1, self.lora2, self.lora3, self.lora4
