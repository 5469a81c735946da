"""A model prepared on one accelerator, with its text encoder, for measurements below `ImageStream`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.accelerators import registry
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.conditioning import Conditioning, TextConditioner
from pipeline.denoiser import Denoiser
from pipeline.models import Model, load_model
from pipeline.prepared_engines import model_shapes
from pipeline.stream import StreamPipeline
from presets.frame_parameters import without_morph
from presets.parameters import Parameters


def no_progress(text: str, fraction: float) -> None:
    """Ignore the progress of a build."""


def text_conditioner(model: Model) -> TextConditioner:
    """Return the model's text encoder in float32 in main memory."""
    return TextConditioner(model.text())


@dataclass(frozen=True)
class BuiltModel:
    """Networks of one model on one accelerator, at one size."""

    model: Model
    conditioner: TextConditioner
    shapes: Shapes
    engines: Engines
    accelerator: str

    @classmethod
    def build(
        cls,
        model_name: str,
        width: int,
        height: int,
        accelerator: str,
        *,
        rows: int,
        threads: int | None = None,
        precision: str = "",
        cache: Path | None = None,
    ) -> "BuiltModel":
        """Load a model and prepare it for up to `rows` rows. Raise as `registry.build` does."""
        model = load_model(model_name)
        conditioner = text_conditioner(model)
        shapes = model_shapes(model, width, height, rows)
        preparation = Preparation(no_progress, threads, cache, precision=precision)
        chosen = registry.build(accelerator, model, shapes, preparation)
        return cls(model, conditioner, shapes, chosen.engines, chosen.name)

    @property
    def description(self) -> dict[str, Any]:
        """Accelerator, precision and device, as rows have them."""
        engines = self.engines
        return {"accelerator": self.accelerator, "precision": engines.precision, "device": str(engines.device)}

    def encode_text(self, look: Parameters) -> Conditioning:
        """Return the conditioning of the prompts in `look`."""
        return self.conditioner.encode(without_morph(look).wording)

    def stream(self, slots: int, denoiser: Denoiser | None = None) -> StreamPipeline:
        """Return a warm stream of latents.

        Another `denoiser` takes the place of the model's. Its steps are not recorded as CUDA graphs.
        """
        stream = StreamPipeline(
            denoiser or self.engines.denoiser,
            slots=slots,
            latent_shape=self.shapes.latent,
            conditioning=self.conditioner.shape,
            sizes=self.engines.sizes,
            sees_source=self.shapes.sees_source,
            embedded_guidance=self.shapes.embedded_guidance,
            device=self.engines.device,
            recorder=None if denoiser else self.engines.recorder,
        )
        stream.warm_up()
        return stream
