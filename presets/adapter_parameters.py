"""Declaration of the live parameters of what is put on a model: LoRAs, a ControlNet and an IP-Adapter."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from presets.declaration import Effect, Group, LiveOptions

LoraWeight = Annotated[
    float,
    Field(ge=-2, le=2, description="weight of the LoRA with this number, where one is loaded; 0 is none of it"),
    LiveOptions(Effect.FRAME, group=Group.LORAS),
]


class AdapterParameters(BaseModel):
    """Parameters of adapters that change while a renderer plays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lora1_weight: LoraWeight = 1.0
    lora2_weight: LoraWeight = 1.0
    lora3_weight: LoraWeight = 1.0
    lora4_weight: LoraWeight = 1.0
    controlnet_scale: Annotated[
        float,
        Field(ge=0, le=2, description="hold of the control picture, where a ControlNet is loaded; 0 is none"),
        LiveOptions(Effect.FRAME, group=Group.CONTROLNET),
    ] = 1.0
    canny_low: Annotated[
        float,
        Field(ge=0, le=255, description="strength of an edge that is drawn if it goes on from one of canny_high"),
        LiveOptions(Effect.FRAME, group=Group.CONTROLNET),
    ] = 100.0
    canny_high: Annotated[
        float,
        Field(ge=0, le=255, description="strength of an edge that is drawn in the control picture"),
        LiveOptions(Effect.FRAME, group=Group.CONTROLNET),
    ] = 200.0

    ip_adapter_image: Annotated[
        str,
        Field(
            max_length=1000,
            description="file of an image to draw like, where an IP-Adapter is loaded; empty is none",
        ),
        LiveOptions(Effect.CONDITIONING, group=Group.IP_ADAPTER),
    ] = ""
    ip_adapter_scale: Annotated[
        float,
        Field(ge=0, le=2, description="share of the image beside the words, where an IP-Adapter is loaded; 0 is none"),
        LiveOptions(Effect.FRAME, group=Group.IP_ADAPTER),
    ] = 1.0

    @property
    def lora_weights(self) -> tuple[float, ...]:
        """Weights of the LoRAs by place."""
        return self.lora1_weight, self.lora2_weight, self.lora3_weight, self.lora4_weight
