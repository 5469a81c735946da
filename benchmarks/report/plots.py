"""Plots of a results document: Table 1, ablation, sizes, latency, forward. They require the extra ``plots``."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report.charts import Bar, Figure, Point, bar_chart, point_chart, save, size_chart
from benchmarks.report.findings import Row


def write_plots(document: dict[str, Any], folder: Path, stem: str) -> str:
    """Write STEM-NAME.png for every measurement with a plot. Return the names written, or the reason for none."""
    wanted = {name: rows for name in PLOTS if (rows := _rows(document, name))}
    if not wanted:
        return "No plots: no measurement of this bench has one."
    if importlib.util.find_spec("matplotlib") is None:
        return "No plots: matplotlib is not installed. Install it with: pip install 'streamflow-live[plots]'"
    paths = []
    for name, rows in wanted.items():
        figure = PLOTS[name](rows)
        paths.append(folder / f"{stem}-{name}.png")
        save(figure, paths[-1], _caption(document))
    return "Plots: " + ", ".join(path.name for path in paths)


def plot_table(rows: Sequence[Row]) -> Figure:
    """Draw bars: a panel for each mode and guidance, a group for each number of steps."""
    keys = sorted({(row["axes"]["mode"] != "text", row["axes"]["guidance"]) for row in rows})
    panels = {}
    for image, guidance in keys:
        mode = "image" if image else "text"
        some = [row for row in rows if (row["axes"]["mode"], row["axes"]["guidance"]) == (mode, guidance)]
        panels[f"{mode}-to-image, guidance {_guidance(guidance)}"] = [
            _bar(row, row["axes"]["contender"], _steps(row)) for row in some
        ]
    base = rows[0]["axes"]["base"]
    return bar_chart(panels, f"× the {base}, interleaved", f"Every gain over the {base}")


def plot_ablation(rows: Sequence[Row]) -> Figure:
    """Draw bars: the whole, the whole without each part, and each kind of guidance."""
    parts = [row for row in rows if row["axes"]["panel"] == "parts"]
    guided = [row for row in rows if row["axes"]["panel"] == "guidance"]
    panels = {"one part removed": [_bar(row, row["axes"]["contender"]) for row in parts]}
    if guided:
        kinds = [_bar(row, f"guidance {row['axes']['guidance_kind']}") for row in guided]
        panels["guidance added"] = [_bar(row, row["axes"]["contender"]) for row in parts[:1]] + kinds
    return bar_chart(panels, "× the whole, interleaved", "Gain of each part")


def plot_sizes(rows: Sequence[Row]) -> Figure:
    """Draw lines over the size, one for each contender: fps and ratio to the vanilla loop, for each mode."""
    panels = {}
    for label, key in (("frames per second", "fps"), ("× the vanilla loop", "ratio")):
        for mode in ("text", "image"):
            lines: dict[str, list[tuple[float, float]]] = {}
            for row in sorted(rows, key=lambda row: row["axes"]["size"]):
                if row["axes"]["mode"] == mode:
                    lines.setdefault(row["axes"]["contender"], []).append((row["axes"]["size"], row[key]))
            panels[f"{mode}-to-image", label] = lines
    return size_chart(panels, "side, px")


def plot_latency(rows: Sequence[Row]) -> Figure:
    """Draw points: frame rate on x, latency on y, from its median to its 99th percentile."""
    points = [
        Point(
            f"{row['axes']['accelerator']}, {row['axes']['contender']}",
            row["fps"],
            row["latency_p50_ms"],
            row["latency_p99_ms"],
        )
        for row in rows
    ]
    return point_chart(points, "frames per second", "latency of a frame, ms: median to 99th percentile")


def plot_forward(rows: Sequence[Row]) -> Figure:
    """Draw bars: one call per step against one call for each distinct timestep."""
    panels = {
        f"guidance {_guidance(scale)}": [
            _bar(row, row["axes"]["contender"], _steps(row)) for row in rows if row["axes"]["guidance"] == scale
        ]
        for scale in sorted({row["axes"]["guidance"] for row in rows})
    }
    return bar_chart(panels, "× one call for each distinct timestep, interleaved", "One call per step")


PLOTS: dict[str, Callable[[Sequence[Row]], Figure]] = {
    "table1": plot_table,
    "ablation": plot_ablation,
    "latency": plot_latency,
    "forward": plot_forward,
    "sizes": plot_sizes,
}
"""Plot of each measurement that has one."""


def _rows(document: dict[str, Any], name: str) -> list[Row]:
    return [row for row in document["rows"] if row["measurement"] == name and "missing" not in row]


def _bar(row: Row, name: str, group: str = "") -> Bar:
    """Return a bar as long as the row's ratio. The fps beside it come from other turns than the base's."""
    return Bar(name, group, row["ratio"], f"×  ({row['fps']:.3g} fps)")


def _steps(row: Row) -> str:
    steps = row["axes"]["steps"]
    return f"{steps} step" + ("s" if steps > 1 else "")


def _guidance(scale: float) -> str:
    return "off" if scale == 1 else f"{scale:g}"


def _caption(document: dict[str, Any]) -> str:
    subject = document.get("subject", {})
    about = f"{subject.get('model')} at {subject.get('size')} px" if subject else ""
    device = document.get("gpu") or f"{document['device']}, {document['cores']} cores"
    versions = f"torch {document['versions'].get('torch')}"
    return f"{device}  ·  {about}  ·  {versions}  ·  {document['date'][:10]}"
