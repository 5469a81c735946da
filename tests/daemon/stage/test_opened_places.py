"""Messages name only files that the user opened, in every spelling, and through no symbolic link."""

import re
import threading
from pathlib import Path

import pytest

from daemon.shared.clock import SystemClock
from daemon.stage.bridge_set import BridgeSet
from daemon.stage.opened_destinations import read_destinations
from daemon.stage.opened_places import ADD_SINK, FILES, OpenedPlaces, allowed_folders, named_place
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.settings import Settings
from daemon.stage.sink_changes import SinkChanges
from io_bridges.show_control import ControlReply
from presets.errors import SettingsError
from presets.library import Library
from presets.model_store import FOLDER_VARIABLE
from presets.parameter_table import PARAMETERS

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLE = re.compile(r"""oscsend \S+ \d+ (/\S+) s "?([^"\n]+)|/api/actions(/\S+) .*"value": "([^"]+)\"""")
"""A line of a document that sends an address with a text, by OSC or HTTP."""

NO_PATHS = {
    *(f"/prompt/{place}/text" for place in (1, 2, 3, 4)),
    *(f"/processor/{place}/name" for place in (1, 2, 3, 4)),
    "/negative_prompt",
    "/preset",
}
"""Texts that name no place on the disk."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is open, beside one that is not, with a link from the first into the second."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "models"))
    for name in ("open/below", "secret", "presets", "models"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "secret" / "clip.mp4").write_bytes(b"clip")
    (tmp_path / "open" / "link").symlink_to(tmp_path / "secret")
    return tmp_path


@pytest.fixture
def opened(root: Path) -> OpenedPlaces:
    opened = OpenedPlaces(root / "presets", {"/source": "file:look.mp4", "/lora1": "style.safetensors"})
    sinks = (f"record:{root / 'show.mp4'}?quality=90",)
    opened.open(Settings(allow_folders=(root / "open",), sinks=sinks, recordings=root / "recordings"))
    return opened


def test_every_text_is_classified() -> None:
    texts = {address for address, parameter in PARAMETERS.items() if parameter.kind == "text"}
    assert texts == FILES | NO_PATHS | {"/source", "/source2"}


def test_open_places(opened: OpenedPlaces, root: Path) -> None:
    for address, text in (
        ("/source", f"file:{root}/open/clip.mp4?loop=0"),
        ("/source2", f"folder:{root}/open/below"),
        ("/source", "file:look.mp4"),
        ("/source", "card:"),
        ("/source", "zmq:5555"),
        ("/source", f"zmq:ipc://{root}/open/socket"),
        (ADD_SINK, f"png:{root}/open/frames"),
        (ADD_SINK, f"record:{root}/recordings/take.mp4"),
        (ADD_SINK, f"record:{root}/show.mp4"),
        ("/lora1", "style.safetensors"),
        ("/model", "shipped"),
        ("/model", "some-one/model"),
        ("/model", f"{root}/open/below"),
        ("/model", f"{root}/models/velvet"),
        ("/engine", ""),
    ):
        opened.check(address, text)
        opened.check_on_disk(address, text)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("/source", "file:/etc/passwd"),
        ("/source", "file:look.mp4/../../secret/clip.mp4"),
        ("/source", "file:./look.mp4"),
        ("/source", "file:clip.mp4"),
        ("/source", "FILE:/etc/passwd"),
        ("/source", "file:~/clip.mp4"),
        ("/source", "file:{root}/open/../secret/clip.mp4"),
        ("/source", "file:{root}/open/link/../clip.mp4"),
        ("/source", "file:{root}/opened/clip.mp4"),
        ("/source", "file:{root}/open%2f..%2fsecret/../../clip.mp4"),
        ("/source", "file:{root}/open/\0"),
        ("/source2", "folder:/etc"),
        ("/source", "zmq:ipc:///etc/socket"),
        ("/source", "zmq+connect:ipc://{root}/presets/socket"),
        (ADD_SINK, "record:{root}/presets/take.mp4"),
        (ADD_SINK, "record:{root}/show.mkv"),
        (ADD_SINK, "png:frames"),
        (ADD_SINK, "png:/"),
        (ADD_SINK, "zmq:ipc://{root}/secret/socket"),
        ("/model", "/etc"),
        ("/model", "../secret"),
        ("/model", "a/b/c"),
        ("/model", "~root/model"),
        ("/engine", "engine.onnx"),
        ("/lora2", "style.safetensors/../x"),
        ("/ip_adapter_image", "/home/user/private.png"),
        ("/controlnet_depth_model", "/etc"),
    ],
)
def test_closed_places(opened: OpenedPlaces, root: Path, address: str, text: str) -> None:
    with pytest.raises(SettingsError, match="--allow-folder"):
        opened.check(address, text.format(root=root))


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("/source", "file:{root}/open/link/clip.mp4"),
        (ADD_SINK, "png:{root}/open/link/frames"),
        ("/lora3", "{root}/open/link/clip.mp4"),
        ("/model", "local/model"),
    ],
)
def test_links_lead_nowhere(
    opened: OpenedPlaces, root: Path, address: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are found on the disk alone. A folder of the working directory is no name of a model."""
    (root / "local" / "model").mkdir(parents=True)
    (root / "local" / "model" / "model_index.json").write_text("{}")
    monkeypatch.chdir(root)
    text = text.format(root=root)
    opened.check(address, text)
    with pytest.raises(SettingsError, match="--allow-folder"):
        opened.check_on_disk(address, text)


def test_linked_folder_is_open(root: Path) -> None:
    """A folder that was opened by a link is open by its real name too."""
    opened = OpenedPlaces(root / "presets", {})
    opened.open(Settings(allow_folders=allowed_folders([root / "open" / "link"])))
    for folder in (root / "open" / "link", root / "secret"):
        opened.check("/source", f"file:{folder}/clip.mp4")
        opened.check_on_disk("/source", f"file:{folder}/clip.mp4")


def test_missing_folder_is_refused(root: Path) -> None:
    with pytest.raises(SettingsError, match=r"--allow-folder .*nowhere: there is no such folder"):
        allowed_folders([root / "open", root / "nowhere"])


def apply(store: ParameterStore, address: str, text: str) -> ControlReply:
    """Send a message and return its outcome."""
    done, outcome = threading.Event(), list[ControlReply]()

    def later(reply: ControlReply) -> None:
        outcome.append(reply)
        done.set()

    reply = store.apply(address, [text], "osc:1", later)
    if not reply.pending:
        return reply
    assert done.wait(20)
    return outcome[0]


def test_store_takes_only_open_files(root: Path) -> None:
    library = Library(root / "presets")
    (root / "presets").mkdir(exist_ok=True)
    (root / "presets" / "mine.yaml").write_text("model: /nets/mine\nlora1: /nets/look.safetensors\n")
    store = ParameterStore(library)
    store.opened.open(Settings(allow_folders=(root / "open",)))
    closed = apply(store, "/lora1", "/nets/look.safetensors")
    assert not closed.accepted
    assert "--allow-folder /nets" in closed.note
    assert not apply(store, "/lora1", f"{root}/open/link/clip.mp4").accepted
    assert store.values()["/lora1"] == ""
    assert apply(store, "/lora1", f"{root}/open/x.safetensors") == ControlReply(
        "/lora1", True, f"{root}/open/x.safetensors"
    )
    assert apply(store, "/preset", "mine").accepted
    assert store.values()["/model"] == "/nets/mine"
    assert apply(store, "/lora1", "/nets/look.safetensors").accepted, "a preset on the disk names it"
    assert apply(store, "/model", "velvet").accepted, "the renderer says that there is none"
    assert store.status()["refusals"]


def test_examples_of_documents_are_open(tmp_path: Path) -> None:
    """Blocks of commands start the show with the folders that their messages name."""
    found = []
    for path in sorted(DOCS.glob("*.md")):
        for block in re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            opened = OpenedPlaces(tmp_path / "presets", {})
            folders = tuple(map(Path, re.findall(r"--allow-folder (\S+)", block)))
            destinations = read_destinations(re.findall(r"--allow-destination (\S+)", block))
            opened.open(Settings(allow_folders=folders, allow_destinations=destinations))
            for groups in EXAMPLE.findall(block):
                address, text = filter(None, groups)
                opened.check(address, text)
                place = named_place(address, text)
                found += [path.name] if place and not place.is_name else []
    assert found == ["adapters.md", "connections.md", "controlnet.md", "ip-adapter.md", "models.md"]


def test_closed_sink_is_never_made(opened: OpenedPlaces, root: Path) -> None:
    made: list[str] = []
    changes = SinkChanges(
        BridgeSet(lambda: None, []),  # type: ignore[arg-type, return-value]
        (),
        SystemClock(),
        lambda uri, number, check: made.append(uri),  # type: ignore[arg-type, return-value]
        lambda uri: opened.check(ADD_SINK, uri),
        lambda uris: None,
        lambda sender, reason: None,
    )
    changes.start()
    reply = changes.request(ADD_SINK, f"record:{root}/secret/take.mp4", "osc:1", None)
    assert not reply.accepted
    assert "--allow-folder" in reply.note
    assert made == []
    assert [path.name for path in (root / "secret").iterdir()] == ["clip.mp4"]
