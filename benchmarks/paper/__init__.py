"""The evaluation of the StreamFlow paper: its tables and figures, with rivals measured in the same run."""
