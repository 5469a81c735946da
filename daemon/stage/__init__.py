"""The show: inputs, outputs, controls, parameters and the output clock. Nothing here imports torch."""

__all__ = [
    "control_player",
    "control_transport",
    "initial_values",
    "metrics",
    "morph_clock",
    "notices",
    "opened_destinations",
    "opened_places",
    "page_token",
    "parameter_store",
    "preset_library",
    "recent_log",
    "recording_names",
    "settings",
    "show_lock",
    "stage",
    "state_file",
    "tempo_clock",
]
