"""``streamflow-live keys``: keys of ZeroMQ, for sockets that are open to a network."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Keys for ZeroMQ sockets that are open to a network: who has one gets in, and everything is encrypted.",
    no_args_is_help=True,
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the client: letters, digits, _ and -.")]


@app.command("list")
def list_keys() -> None:
    """Print the public key of the show and those of the clients that it lets in."""
    from io_bridges.zmq_keys import KeyFolder

    keys = KeyFolder()
    typer.echo(f"folder  {keys.folder}")
    typer.echo(f"server  {keys.server().public.decode()}")
    for name, public in keys.clients().items():
        typer.echo(f"client  {public.decode()}  {name}")


@app.command()
def make(
    name: NameArgument,
    into: Annotated[
        Path, typer.Option("--into", metavar="FOLDER", file_okay=False, help="Folder for the file of the client.")
    ] = Path(),
) -> None:
    """Make the keys of a client and let it in. Its file NAME.key_secret goes to the client's machine.

    \b
    Example:
      streamflow-live keys make viewer
    """
    from io_bridges.zmq_keys import KeyFolder

    keys = KeyFolder()
    path = keys.make(name, into)
    typer.echo(f"{name} is let in by shows that start from now on. Copy {path} to its machine, and delete it here.")
    typer.echo(
        f"It holds the public key of the show too, which programs of other makers need: {keys.server().public.decode()}"
    )


# A key may begin with a dash.
@app.command(context_settings={"ignore_unknown_options": True})
def add(
    name: NameArgument,
    public: Annotated[str, typer.Argument(metavar="PUBLIC", help="Public key of the client, 40 characters.")],
) -> None:
    """Let in a client that has made its keys itself."""
    from io_bridges.zmq_keys import KeyFolder

    KeyFolder().add(name, public)
    typer.echo(f"{name} is let in by shows that start from now on.")


@app.command()
def remove(name: NameArgument) -> None:
    """Let a client in no more."""
    from io_bridges.zmq_keys import KeyFolder

    KeyFolder().remove(name)
    typer.echo(f"{name} is let in no more by shows that start from now on.")
