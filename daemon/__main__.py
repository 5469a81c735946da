"""The command line, ``streamflow-live``. Nothing heavy is imported before a command is chosen."""

import sys

CANCELLED = 130
"""The exit status that Ctrl-C gives."""

try:
    import typer
    from rich.text import Text

    from daemon.commands.bench import bench
    from daemon.commands.build import build
    from daemon.commands.doctor import doctor
    from daemon.commands.engines import app as engines_app
    from daemon.commands.presets import app as presets_app
    from daemon.commands.render import render
    from daemon.commands.run import run
    from daemon.commands.terminal import Terminal
    from daemon.shared.offline_environment import stay_offline
    from presets.errors import StreamflowError
except KeyboardInterrupt:  # this takes half a second, in which nothing is lost
    sys.exit(CANCELLED)

app = typer.Typer(
    name="streamflow-live",
    help="Live visuals for the stage: every picture redrawn by a few-step flow model, at a constant rate, all night.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command()(run)
app.command()(render)
app.command()(build)
app.add_typer(engines_app, name="engines")
app.add_typer(presets_app, name="presets")
app.command()(doctor)
app.command()(bench)


def main() -> None:
    """Run a command; an error that was foreseen is one sentence and exit status 2, not a traceback."""
    stay_offline()
    try:
        app()
    except StreamflowError as error:
        said = Text.assemble(("streamflow-live:", "red"), f" {error}")  # as it stands: brackets are no markup
        Terminal(stderr=True, highlight=False).print(said, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
