"""Every live parameter, declared once; presets read from and written to YAML; the shipped looks."""
