"""Commands of ``streamflow-live``, one module each, and what they share: rendering and terminal output."""

__all__ = [
    "bench",
    "build",
    "displays",
    "doctor",
    "engines",
    "keys",
    "layout",
    "models",
    "offline_render",
    "preset_course",
    "presets",
    "processors",
    "render",
    "run",
    "soak",
    "sources",
    "terminal",
    "touchdesigner",
    "words",
]
