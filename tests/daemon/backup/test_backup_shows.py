"""Two shows in processes of their own: the first is killed, its backup takes over the output, and gives it back."""

from pathlib import Path
from typing import Any

from show import Show, until

LOOK = "model: echo\nwidth: 64\nheight: 64\nstrength: 0.5\n"


class SecondShow(Show):
    """A backup of another show, which reads what that one's readers get."""

    def __init__(self, folder: Path, first: Show) -> None:
        super().__init__(folder, "--backup", f"127.0.0.1:{first.control_port}")
        self.out_port = first.out_port
        self.command.remove(str(folder / "look.yaml"))
        for option in ("--sink", "--fps"):
            place = self.command.index(option)
            del self.command[place : place + 2]


def pair_of(show: Show) -> dict[str, Any]:
    pair: dict[str, Any] = show.status().get("backup", {})
    return pair


def opened(show: Show) -> list[str]:
    return [sink["uri"] for sink in show.status()["sinks"] if sink["open"] and sink["uri"] != "web:"]


def acts(show: Show, address: str) -> dict[str, Any]:
    answer = show.ask({"do": "act", "address": address}, timeout=10_000)
    assert answer is not None
    return answer


def test_backup_takes_over_and_gives_back(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "look.yaml").write_text(LOOK)
    first = Show(tmp_path / "first", "--output-size", "96x64")
    with first, SecondShow(tmp_path / "second", first) as second:
        assert acts(first, "/backup/release")["note"] == "this show is on air already"
        first.set(strength=0.31, freeze=True, bpm=93.0)
        follows = {"/strength": 0.31, "/freeze": True, "/bpm": 93.0, "/model": "echo", "/width": 64}
        until(lambda: values(second, follows) == follows)
        assert opened(second) == []
        until(lambda: pair_of(first).get("partner"))
        refused = second.set(strength=0.9)
        assert "follows" in refused["error"]
        assert pair_of(second)["unheard"] == 1
        until((tmp_path / "first" / "state.json.backup").exists)

        first.process.kill()
        first.process.wait()
        until(lambda: opened(second))
        meta, _ = second.picture(lambda meta, pixels: meta["shape"][:2] == [64, 96] and meta["index"] > 0)
        assert meta["dtype"] == "uint8"
        pair = pair_of(second)
        assert (pair["on_air"], pair["takeovers"], pair["outputs"]) == (
            True,
            1,
            [f"zmq:tcp://127.0.0.1:{first.out_port}"],
        )
        assert any("On air in place of" in notice["text"] for notice in second.status()["notices"])
        assert values(second, follows) == follows
        second.set(strength=0.77)

        again = Show(tmp_path / "first")
        again.out_port, again.control_port, again.command = first.out_port, first.control_port, first.command
        with again:
            until(lambda: pair_of(again).get("on_air") is False and pair_of(again)["partner"])
            until(lambda: values(again, {"/strength": 0}) == {"/strength": 0.77})
            assert opened(again) == []
            assert "/backup/release" in again.set(strength=0.1)["error"]
            assert opened(second) != []
            assert acts(second, "/backup/release")["ok"]
            until(lambda: opened(again) and not opened(second))
            assert not pair_of(second)["on_air"]
            assert again.set(strength=0.12)["answers"]["/strength"]["accepted"]


def values(show: Show, wanted: dict[str, Any]) -> dict[str, Any]:
    answer = show.ask({"do": "get", "addresses": list(wanted)}, timeout=10_000)
    assert answer is not None
    found: dict[str, Any] = answer["values"]
    return found
