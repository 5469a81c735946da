"""Reuse across pictures: deep features of a UNet that are kept from one picture to the next (after DeepCache)."""
