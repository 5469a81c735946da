"""LoRAs of the UNet families: files, their low-rank branches, and the layers that have them beside their own."""

__all__ = ["lora_file", "lora_kinds", "lora_layers", "lora_set"]
