"""Files of a build on their way to another machine, the choice of a node, and the keys of the link."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zmq
from rig import until

from daemon.cluster import program_version as versions
from daemon.cluster.address import ClusterAddress
from daemon.cluster.build_files import named_files, with_files
from daemon.cluster.file_tree import ContentHashes, FileEntry, FileTree
from daemon.cluster.node_choice import ClusterNode, NodeChoice, rendering_nodes
from daemon.cluster.node_files import NodeFiles
from daemon.link.client import LinkClient
from daemon.link.dealer import Sharing
from daemon.link.server import LinkServer
from daemon.shared.clock import SystemClock
from presets.build import Build
from presets.errors import ModelError, SettingsError


def send(tree: FileTree, path: Path, node: NodeFiles) -> list[str]:
    """Send what a node lacks of a tree, in blocks; return the names of the files that went."""
    names = {entry.digest: entry.name for entry in tree.entries}
    sent = node.missing(list(names))
    for digest in sent:
        data = (path / names[digest] if tree.is_folder else path).read_bytes()
        for start in range(0, len(data), 7):
            node.write(digest, data[start : start + 7])
        node.finish(digest)
    return [names[digest] for digest in sent]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a model"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    (folder / "unet" / "weights.safetensors").write_bytes(bytes(range(100)))
    (folder / "unet" / "copy.safetensors").write_bytes(bytes(range(100)))
    (folder / "empty").write_bytes(b"")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "left").write_text("out")
    return folder


def test_folder_arrives_whole(folder: Path, tmp_path: Path) -> None:
    hashes, node = ContentHashes(), NodeFiles(tmp_path / "node")
    tree = hashes.tree(folder)
    assert sorted(send(tree, folder, node)) == ["empty", "model_index.json", "unet/weights.safetensors"]
    there = node.tree(tree)
    assert there.name == "a model"
    found = {path.relative_to(there).as_posix(): path.read_bytes() for path in there.rglob("*") if path.is_file()}
    wanted = {name: (folder / name).read_bytes() for name in (entry.name for entry in tree.entries)}
    assert found == wanted
    assert ".cache/left" not in found
    assert node.tree(tree) == there


def test_changed_file_alone_is_sent(folder: Path, tmp_path: Path) -> None:
    hashes, node = ContentHashes(), NodeFiles(tmp_path / "node")
    first = hashes.tree(folder)
    send(first, folder, node)
    (folder / "model_index.json").write_text('{"another": 1}')
    second = hashes.tree(folder)
    assert second.digest != first.digest
    assert send(second, folder, node) == ["model_index.json"]
    assert (node.tree(second) / "model_index.json").read_text() == '{"another": 1}'
    assert (node.tree(first) / "model_index.json").read_text() == "{}", "a renderer may still play it"
    again = shutil.copytree(folder, tmp_path / "elsewhere" / folder.name)
    assert hashes.tree(again).digest == second.digest, "equal contents are one tree"


def test_damaged_file_is_refused(folder: Path, tmp_path: Path) -> None:
    node, entry = NodeFiles(tmp_path / "node"), ContentHashes().tree(folder).entries[0]
    node.write(entry.digest, b"something else")
    with pytest.raises(ModelError, match="damaged"):
        node.finish(entry.digest)
    assert node.missing([entry.digest]) == [entry.digest]


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "C:\\out", ""])
def test_name_outside_is_refused(name: str, tmp_path: Path) -> None:
    node, digest = NodeFiles(tmp_path / "node"), ContentHashes().tree(Path(__file__)).entries[0].digest
    node.write(digest, Path(__file__).read_bytes())
    node.finish(digest)
    with pytest.raises(ModelError, match="no name of a file"):
        node.tree(FileTree("model", (FileEntry(name, digest, 1),), True))
    with pytest.raises(ModelError, match="no hash"):
        node.missing(["../" + digest[3:]])


def test_build_names_its_files(folder: Path) -> None:
    lora = folder / "style.safetensors"
    lora.write_bytes(b"lora")
    build = Build(model=str(folder), lora2=str(lora))
    assert named_files(build) == {"model": folder, "lora2": lora}
    assert named_files(Build()) == named_files(Build(model="echo:40")) == {}
    there = with_files(build, {"model": "/there/model", "lora2": "/there/style.safetensors"}, 2)
    assert (there.model, there.lora2, there.threads) == ("/there/model", "/there/style.safetensors", 2)
    assert with_files(build.model_copy(update={"threads": 3}), {}, 2).threads == 3


def ray_node(name: str, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"NodeID": name, "NodeManagerAddress": "10.0.0.1", "Alive": alive, "Resources": resources}


def test_renderers_are_spread_over_nodes() -> None:
    stage, dead, one, two = ray_node("s"), ray_node("d", False, CPU=8), ray_node("a", CPU=2), ray_node("b", CPU=1)
    nodes = rendering_nodes([stage, dead, one, two])
    choice = NodeChoice()
    assert [node and node.id for node in (choice.next(nodes) for _ in range(4))] == ["a", "b", "a", None]
    choice.gives_back(nodes[1], lost=False)
    assert choice.next(nodes) == nodes[1]
    choice.gives_back(nodes[1], lost=True)
    assert choice.next(nodes) is None
    taken = "all 2 cores that the cluster has for renderers are taken; node 10.0.0.1 (b) does not answer"
    assert choice.why_none(nodes) == taken
    assert rendering_nodes([one, ray_node("g", CPU=8, GPU=2)]) == [ClusterNode("g", "10.0.0.1", 2, True)]


def test_other_version_is_refused() -> None:
    assert not versions.version_problem("n", versions.program_version())
    said = versions.version_problem("10.0.0.5 (ab12cd)", "0.0.9 (code 000000000000)")
    assert said.startswith("node 10.0.0.5 (ab12cd) has streamflow-live 0.0.9 (code 000000000000), this machine has")
    choice, nodes = NodeChoice(), [ClusterNode("a", "10.0.0.1", 1, False)]
    choice.refused["a"] = said
    assert choice.next(nodes) is None
    assert choice.why_none(nodes) == said


@pytest.mark.parametrize("text", ["", "10.0.0.1", "10.0.0.1:", ":6379", "10.0.0.1:0", "10.0.0.1:99999", "auto"])
def test_wrong_address_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.cluster.address.missing_extra", lambda module, extra: "")
    with pytest.raises(SettingsError, match="HOST:PORT"):
        ClusterAddress.read(text)
    assert ClusterAddress.read("10.0.0.1:6379").environment()["RAY_USAGE_STATS_ENABLED"] == "0"
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" in ClusterAddress.read("127.0.0.1:6379").environment()
    assert ClusterAddress.read("127.0.0.1:6379").own_host() == "127.0.0.1"


def test_missing_ray_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'streamflow-live\[cluster\]'"):
        ClusterAddress.read("local")


def test_link_of_machines_wants_keys() -> None:
    """The token alone is not enough, nor is a key that nobody named; with both a renderer is heard."""
    link = LinkServer(
        SimpleNamespace(sharing=Sharing), SystemClock(), lambda report, frame, place, of: None, "127.0.0.1"
    )
    link.start()
    try:
        report = link.expect()
        public, secret = zmq.curve_keypair()
        keys = f"{public.decode()} {secret.decode()}"
        strangers = [
            LinkClient(link.endpoint, report.token),
            LinkClient(link.endpoint, report.token, link.public_key, keys),
        ]
        other = zmq.curve_keypair()
        link.admit(other[0].decode())
        renderer = LinkClient(link.endpoint, report.token, link.public_key, " ".join(key.decode() for key in other))
        renderer.progress("loading", "heard", 0.5)
        for stranger in strangers:
            stranger.progress("loading", "a stranger", 0.9)
        until(lambda: report.progress.text == "heard")
        assert len(link._connections) == 1
        for each in (*strangers, renderer):
            each.close()
    finally:
        link.close()
