"""A bench's document as pictures: Table 1, the ablation, sizes, latency. Wants the extra ``plots``."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report.charts import Bar, Figure, bars, panels, points, save

Row = dict[str, Any]


def written(document: dict[str, Any], folder: Path, stem: str) -> str:
    """Writes STEM-NAME.png for every measurement that has a picture; answers what was written, or why nothing was."""
    wanted = {name: rows for name in PLOTS if (rows := _rows(document, name))}
    if not wanted:
        return "nothing was measured that has a plot"
    if importlib.util.find_spec("matplotlib") is None:
        return "no plots: matplotlib is not installed; get it with: pip install 'streamflow-live[plots]'"
    paths = []
    for name, rows in wanted.items():
        figure = PLOTS[name](rows)
        paths.append(folder / f"{stem}-{name}.png")
        save(figure, paths[-1], _device(document))
    return "plots: " + ", ".join(path.name for path in paths)


def table(rows: Sequence[Row]) -> Figure:
    """Bars: a panel for each mode and guidance, a group for each number of steps."""
    keys = sorted({(row["axes"]["mode"] != "text", row["axes"]["guidance"]) for row in rows})
    found = {}
    for image, guidance in keys:
        mode = "image" if image else "text"
        some = [row for row in rows if (row["axes"]["mode"], row["axes"]["guidance"]) == (mode, guidance)]
        found[f"{mode}-to-image, guidance {_guidance(guidance)}"] = [
            _bar(row, row["axes"]["contender"], _steps(row)) for row in some
        ]
    base = rows[0]["axes"]["base"]
    return bars(found, f"× the {base}, by turns", f"Every gain a row, against the {base}")


def ablation(rows: Sequence[Row]) -> Figure:
    """Bars: the whole, and it without one part each; the kinds of guidance beside it."""
    parts = [row for row in rows if row["axes"]["panel"] == "parts"]
    guided = [row for row in rows if row["axes"]["panel"] == "guidance"]
    found = {"one part taken out": [_bar(row, row["axes"]["contender"]) for row in parts]}
    if guided:
        kinds = [_bar(row, f"guidance {row['axes']['guidance_kind']}") for row in guided]
        found["guidance put in"] = [_bar(row, row["axes"]["contender"]) for row in parts[:1]] + kinds
    return bars(found, "× the whole, by turns", "What each part brings")


def sizes(rows: Sequence[Row]) -> Figure:
    """Four panels: pictures a second, and how many times the vanilla loop, for each mode; a line a contender."""
    found = {}
    for label, key in (("pictures a second", "fps"), ("× the vanilla loop", "ratio")):
        for mode in ("text", "image"):
            lines: dict[str, list[tuple[float, float]]] = {}
            for row in sorted(rows, key=lambda row: row["axes"]["size"]):
                if row["axes"]["mode"] == mode:
                    lines.setdefault(row["axes"]["contender"], []).append((row["axes"]["size"], row[key]))
            found[f"{mode}-to-image", label] = lines
    return panels(found, "px a side")


def latency(rows: Sequence[Row]) -> Figure:
    """Points: pictures a second to the right, a picture's age upwards, from its median to its 99th percentile."""
    found = [
        (
            f"{row['axes']['accelerator']}, {row['axes']['contender']}",
            row["fps"],
            row["latency_p50_ms"],
            row["latency_p99_ms"],
        )
        for row in rows
    ]
    return points(found, "pictures a second", "a picture's age, ms: median to 99th percentile")


def forward(rows: Sequence[Row]) -> Figure:
    """Bars: one call against one for each distinct timestep."""
    found = {
        f"guidance {_guidance(scale)}": [
            _bar(row, row["axes"]["contender"], _steps(row)) for row in rows if row["axes"]["guidance"] == scale
        ]
        for scale in sorted({row["axes"]["guidance"] for row in rows})
    }
    return bars(found, "× one for each distinct timestep, by turns", "One call a step")


PLOTS: dict[str, Callable[[Sequence[Row]], Figure]] = {
    "table1": table,
    "ablation": ablation,
    "latency": latency,
    "forward": forward,
    "sizes": sizes,
}
"""By measurement."""


def _rows(document: dict[str, Any], name: str) -> list[Row]:
    return [row for row in document["rows"] if row["measurement"] == name and "missing" not in row]


def _bar(row: Row, name: str, group: str = "") -> Bar:
    """As long as its ratio, which was taken by turns: the pictures a second beside it are of another minute each."""
    return name, group, row["ratio"], f"×  ({row['fps']:.3g} a second)"


def _steps(row: Row) -> str:
    steps = row["axes"]["steps"]
    return f"{steps} step" + ("s" if steps > 1 else "")


def _guidance(scale: float) -> str:
    return "off" if scale == 1 else f"{scale:g}"


def _device(document: dict[str, Any]) -> str:
    subject = document.get("subject", {})
    about = f"{subject.get('model')} at {subject.get('size')} px" if subject else ""
    where = document.get("gpu") or f"{document['device']}, {document['cores']} cores"
    versions = f"torch {document['versions'].get('torch')}"
    return f"{where}  ·  {about}  ·  {versions}  ·  {document['date'][:10]}"
