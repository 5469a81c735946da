"""``streamflow-live displays``: list the displays that the output window can be shown on."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from daemon.commands.terminal import Terminal

if TYPE_CHECKING:  # --help of every command must answer at once
    from daemon.doctor.display_search import NumberedDisplay


def displays(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the displays of this machine, with the sink that shows the output on each.

    The display marked "default" is the one of --sink window: without a number.

    \b
    Examples:
      streamflow-live displays
      streamflow-live run --sink "window:?display=2"
    """
    # Imported here so that --help of every command answers at once.
    from daemon.doctor.display_search import search_displays

    found = search_displays()
    if as_json:
        listed = [{"sink": each.uri, "default": each.is_default} | asdict(each.display) for each in found]
        print(json.dumps({"displays": listed}, indent=2, ensure_ascii=False))
        return
    terminal = Terminal(highlight=False)
    for each in found:
        terminal.print(_line(each), soft_wrap=True)


def _line(numbered: "NumberedDisplay") -> Text:
    display = numbered.display
    words = [display.name, f"{display.width}x{display.height} at {display.x},{display.y}"]
    words += ["primary"] if display.number == 1 else []
    words += ["default"] if numbered.is_default else []
    return Text.assemble((f'--sink "{numbered.uri}"', "bold"), f"  {', '.join(words)}")
