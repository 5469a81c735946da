"""Run the networks: one module for each accelerator, imported only when it is chosen."""
