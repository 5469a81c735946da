"""`ClipWords`: the words of an offline rendering, and the memory of the text encoder once they are encoded."""

from daemon.renderer.text_encoder_memory import TextEncoderMemory
from daemon.shared.clock import Clock, SystemClock
from pipeline.conditioning import Conditioning
from pipeline.image_stream import ImageStream
from presets.errors import ModelError
from presets.frame_parameters import PromptMixture


class ClipWords:
    """The conditioning of each frame. The text encoder is freed by the rule of the stream's build, as in a show.

    Nothing waits for a picture offline, so that a text is encoded in its turn, on the thread of the stream.
    """

    def __init__(self, stream: ImageStream, clock: Clock | None = None) -> None:
        """
        Args:
            stream: The loaded model.
            clock: Clock of the text encoder's idle time.
        """
        self._stream = stream
        self._memory = TextEncoderMemory(stream.settings.text_encoder, clock or SystemClock())
        self._encoded: tuple[PromptMixture, Conditioning] | None = None

    def encode(self, wording: PromptMixture) -> Conditioning:
        """Return the conditioning of a frame's words, which are encoded if they are not those of the frame before.

        Args:
            wording: The words.

        Raises:
            ModelError: a text can't be encoded, or the image beside the prompt can't be read.
        """
        if self._encoded is None or self._encoded[0] != wording:
            self._encoded = wording, self._stream.encode(wording)
            if self._stream.refused:
                raise ModelError(self._stream.refused)
        if self._memory.is_due(self._stream.text_encoder):
            self._stream.free_text_encoder()
        return self._encoded[1]
