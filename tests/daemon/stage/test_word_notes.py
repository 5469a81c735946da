"""Prompts with words that the model does not know: told in notes and by the command. `test_show_models` has a show."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import pipeline.shipped
from daemon.__main__ import app
from daemon.stage.word_notes import WordNotes
from presets.parameters import Parameters, WeightedPrompt
from presets.vocabulary import Vocabulary, write_vocabulary

VOCABULARY = Vocabulary(
    {"styles": ("halftone", "neon"), "palettes": ("fire",), "motifs": ("tunnel",)},
    ("in",),
    synonyms={"comic": "halftone"},
)
NOTE = "drawn as 'halftone fire': comic → halftone; 'xyzzy' is not known"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the bundled model and a small vocabulary."""
    folder = tmp_path / "model"
    folder.mkdir()
    for part in (Path(pipeline.shipped.__file__).parent / "model").iterdir():
        if part.name != "vocabulary.json":
            (folder / part.name).symlink_to(part)
    write_vocabulary(VOCABULARY, folder)
    return folder


def test_notes_follow_parameters_and_model() -> None:
    models: list[Vocabulary | None] = [VOCABULARY]
    prompts = (WeightedPrompt(text="comic fire, xyzzy"), WeightedPrompt(text="neon"))
    shown = [Parameters(prompt=prompts, negative_prompt="sky")]
    words = WordNotes(lambda: models[-1], lambda: shown[-1])
    assert words.known_words() == VOCABULARY.known
    assert words.notes()["/prompt/1/text"] == NOTE == words.note("/prompt/1/text")
    assert set(words.notes()) == {"/prompt/1/text", "/negative_prompt"}
    assert words.note("/prompt/2/text") == words.note("/prompt/3/text") == words.note("/seed") == ""
    assert words.notices()[0].text == f"prompt 1: {NOTE}"
    assert words.notices()[1].text.startswith("negative prompt: drawn as ")
    models.append(Vocabulary({"words": ("comic", "fire", "xyzzy", "sky", "neon")}))
    assert words.notes() == {}
    models.append(None)
    assert words.known_words() == words.notes() == {}


def test_words_command(folder: Path) -> None:
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["words", *arguments], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    assert run("--model", str(folder)).splitlines()[:2] == ["styles (2)", "halftone, neon"]
    assert json.loads(run("--model", str(folder), "--json")) == {k: list(v) for k, v in VOCABULARY.known.items()}
    assert run("--model", str(folder), "comic fire, xyzzy").strip() == NOTE
    assert run("--model", str(folder), "neon fire").strip() == "drawn as 'neon fire'"
    drawn = json.loads(run("--model", str(folder), "--json", "comic fire, xyzzy"))
    assert drawn == {"text": "halftone fire", "replaced": {"comic": "halftone"}, "dropped": ["xyzzy"], "cut": False}
    (folder / "vocabulary.json").unlink()
    assert "takes any text" in run("--model", str(folder))
    assert run("--model", str(folder), "comic").strip() == "drawn as 'comic'"
