"""Commands of ``streamflow-live``, one module each, and what they share: rendering and terminal output."""
