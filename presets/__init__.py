"""Every live parameter, declared once; presets read from and written to YAML; the shipped presets."""

__all__ = [
    "atomic_write",
    "build",
    "coercion",
    "declaration",
    "errors",
    "files",
    "frame_parameters",
    "known_words",
    "library",
    "morph",
    "parameter_table",
    "parameters",
    "vocabulary",
]
