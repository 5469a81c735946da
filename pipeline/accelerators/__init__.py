"""What runs the networks: one module an accelerator, imported only when it is chosen."""
