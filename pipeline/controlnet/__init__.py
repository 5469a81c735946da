"""ControlNets of the UNet families: folders, the network with one beside its UNet, and control pictures."""

__all__ = ["control_pictures", "controlled_unet", "controlnet_folder", "depth_folder"]
