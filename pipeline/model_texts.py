"""The texts of a model: its text encoder, loaded when it is needed, with LoRAs, images and the texts kept on disk."""

from collections.abc import Callable
from functools import partial
from typing import Any

from pipeline.conditioning import TextConditioner
from pipeline.encoded_text import TextEncoder
from pipeline.extra_inputs import ExtraInputs
from pipeline.kept_texts import KeptTexts, text_bytes
from pipeline.lazy_text_encoder import LazyTextEncoder
from pipeline.model_files import read_json
from pipeline.models import Model


def conditioner_of(
    model: Model, first: Callable[[], Any] | None = None, kept: KeptTexts | None = None
) -> TextConditioner:
    """Return the texts of a model, with a cache and the weights of LoRAs. Its text encoder is not loaded yet.

    Args:
        model: The model.
        first: Returns the network in place of ``text_encoder``, as an accelerator compiles it. None reads it.
        kept: Texts on disk. Without them the text encoder stays in memory once it is loaded.

    Raises:
        ModelError: an image encoder can't be loaded.
    """
    inputs: list[ExtraInputs] = []

    def read() -> TextEncoder:
        return model.family.text(model.text_parts(first and first(), inputs))

    def release() -> None:
        inputs.clear()
        model.free_text_encoder()

    encoder = LazyTextEncoder(
        model.conditioning._replace(image=None),
        model.family.zeroes_empty_negative(read_json(model.folder / "model_index.json")),
        read,
        release,
        0 if kept is None else text_bytes(model),
    )
    loras = model.adapters.loras
    weigh = partial(loras.weigh, inputs) if loras.has_texts else None
    return TextConditioner(encoder, model.vocabulary, weigh, model.adapters.image_prompts(), kept)
