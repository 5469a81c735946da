"""Tensors in, tensors out: schedules, the stream, conditioning, model families, accelerators and the shipped model."""

__all__ = [
    "accelerators",
    "conditioning",
    "denoiser",
    "guidance",
    "image_stream",
    "models",
    "similar_frame_filter",
    "stream",
]
