"""IP-Adapters of the UNet families: files, attention to the tokens of an image, and images as tokens."""

__all__ = ["adapter_file", "image_attention", "image_prompts"]
