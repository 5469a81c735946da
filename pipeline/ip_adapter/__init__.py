"""IP-Adapters of the UNet families: files, attention to the tokens of an image, and images as tokens."""
