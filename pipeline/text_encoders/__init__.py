"""Text encoders of the families: one text in, hidden states, mask and pooled vector out."""

__all__ = ["clip", "qwen", "sana", "t5", "text_parts"]
