"""ControlNets of the UNet families: folders, the network with one beside its UNet, and control pictures."""
