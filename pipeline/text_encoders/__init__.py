"""Text encoders of the families: one text in, hidden states, mask and pooled vector out."""

__all__ = ["clip", "hunyuan_image", "qwen", "sana", "t5", "text_parts"]
