"""``streamflow-live words``: print the words that a model knows, or how it draws a prompt."""

import json
from typing import Annotated

import typer
from rich.text import Text

from daemon.commands.terminal import Terminal


def words(
    prompt: Annotated[
        str | None, typer.Argument(metavar="[PROMPT]", help="Print how this prompt is drawn.", show_default=False)
    ] = None,
    model: Annotated[str, typer.Option(help="Name or folder of the model.")] = "shipped",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the words that a model knows, by kind.

    The bundled model knows a few hundred. Other words of a prompt are replaced by
    known ones or left out. With a prompt, print how that one is drawn.

    \b
    Examples:
      streamflow-live words
      streamflow-live words "comic fire"
    """
    # Imported here: --help of every command must answer at once.
    from pipeline.model_files import model_folder
    from presets.known_words import Interpretation, KnownWords
    from presets.vocabulary import read_vocabulary

    vocabulary = read_vocabulary(model_folder(model))
    terminal = Terminal(highlight=False)
    if prompt is not None:
        drawn = None if vocabulary is None else KnownWords(vocabulary).interpret(prompt)
        if as_json:
            text, replaced, dropped, is_cut = drawn or Interpretation(prompt)
            answer = {"text": text, "replaced": dict(replaced), "dropped": dropped, "cut": is_cut}
            print(json.dumps(answer, ensure_ascii=False))
        else:
            note = "" if drawn is None else drawn.note
            terminal.print(
                note or f"drawn as '{prompt if drawn is None else drawn.text}'", soft_wrap=True, markup=False
            )
    elif as_json:
        print(json.dumps({} if vocabulary is None else dict(vocabulary.known), indent=1, ensure_ascii=False))
    elif vocabulary is None:
        terminal.print(f"{model} takes any text: it has no list of known words.", soft_wrap=True, markup=False)
    else:
        for kind, phrases in vocabulary.known.items():
            terminal.print(Text(f"{kind} ({len(phrases)})", style="bold"))
            terminal.print(Text(", ".join(phrases)), soft_wrap=not terminal.is_terminal)
