"""The command line, ``streamflow-live``. Heavy modules are imported by the command that needs them."""

import sys
from importlib import metadata
from typing import Annotated

from daemon.shared.least_resources import shortage

CANCELLED = 130
"""Exit status after Ctrl-C."""

if problem := shortage():  # the imports below would fail in a traceback
    print(f"streamflow-live: {problem}", file=sys.stderr)
    sys.exit(2)

try:
    import typer
    from rich.text import Text

    from daemon.commands.bench import bench
    from daemon.commands.build import build
    from daemon.commands.displays import displays
    from daemon.commands.doctor import doctor
    from daemon.commands.engines import app as engines_app
    from daemon.commands.keys import app as keys_app
    from daemon.commands.layout import layout
    from daemon.commands.models import app as models_app
    from daemon.commands.presets import app as presets_app
    from daemon.commands.processors import app as processors_app
    from daemon.commands.render import render
    from daemon.commands.run import run
    from daemon.commands.soak import soak
    from daemon.commands.sources import sources
    from daemon.commands.terminal import Terminal
    from daemon.commands.touchdesigner import touchdesigner
    from daemon.commands.words import words
    from daemon.shared.offline_environment import stay_offline
    from daemon.shared.process import keep_compiled_code
    from presets.errors import StreamflowError
except KeyboardInterrupt:  # the imports take half a second, and there is nothing to clean up
    sys.exit(CANCELLED)

app = typer.Typer(
    name="streamflow-live",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"streamflow-live {metadata.version('streamflow-live')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Live visuals for the stage: every picture redrawn by a few-step flow model, at a constant rate, all night."""


app.command()(run)
app.command()(render)
app.command()(build)
app.add_typer(engines_app, name="engines")
app.add_typer(keys_app, name="keys")
app.add_typer(presets_app, name="presets")
app.add_typer(models_app, name="models")
app.add_typer(processors_app, name="processors")
app.command()(sources)
app.command()(displays)
app.command()(words)
app.command()(layout)
app.command()(touchdesigner)
app.command()(doctor)
app.command()(bench)
app.command()(soak)


def main() -> None:
    """Run a command. An expected error is printed as one sentence and exits with status 2, without a traceback."""
    stay_offline()
    keep_compiled_code()
    try:
        app()
    except StreamflowError as error:
        message = Text.assemble(("streamflow-live:", "red"), f" {error}")  # Text: brackets are no markup
        Terminal(stderr=True, highlight=False).print(message, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
