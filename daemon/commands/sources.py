"""``streamflow-live sources``: list the senders, cameras and other sources that can be opened now."""

import json
from typing import Annotated

import typer
from rich.text import Text

from daemon.commands.terminal import Terminal


def sources(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List what can be opened now: senders on the network, cameras, shared textures, patterns, and inputs for --audio.

    Give one to run or render as it is printed, in quotes if it contains spaces.

    \b
    Examples:
      streamflow-live sources
      streamflow-live run --source "ndi:STAGE-PC (Resolume)"
    """
    # Imported here so that --help of every command answers at once.
    from daemon.doctor.source_search import search_audio, search_sources

    results, audio = search_sources(), search_audio()
    if as_json:
        found = [uri for result in results for uri in result.uris]
        failures = {result.scheme: result.failure for result in (*results, audio) if result.failure}
        answer = {"sources": found, "audio_inputs": audio.uris, "failures": failures}
        print(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    terminal = Terminal(highlight=False)
    width = max((len(result.scheme) for result in (*results, audio)), default=0) + 3
    for result in (*results, audio):
        lines = [Text(uri, "bold") for uri in result.uris]
        if result.failure:
            lines.append(Text(result.failure, "yellow"))
        for number, line in enumerate(lines or [Text("none found", "dim")]):
            name = "" if number else "--audio" if result is audio else f"{result.scheme}:"
            # A table would wrap a long name, which then can't be copied.
            terminal.print(Text(name.ljust(width)), line, sep="", soft_wrap=True)
