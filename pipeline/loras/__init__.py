"""LoRAs of the UNet families: files, their low-rank branches, and the layers that have them beside their own."""
