"""The commands of `streamflow-live`, one module each."""
