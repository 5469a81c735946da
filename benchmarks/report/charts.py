"""Charts in one style: bars, lines and points. matplotlib is imported when a chart is drawn."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.report.document import write_bytes

Figure = Any
"""``matplotlib.figure.Figure``, which needs no global state, window or backend."""


class Bar(NamedTuple):
    """One horizontal bar."""

    name: str
    group: str
    length: float
    unit: str
    """Text after the length at the bar's end."""


class Point(NamedTuple):
    """One point with an error bar from the median up to the 99th percentile."""

    name: str
    x: float
    median: float
    percentile_99: float


INK, FAINT, PAPER = "#1b1f24", "#d8dde3", "#ffffff"
COLOURS = ("#1f6f8b", "#e07a3f", "#6a4c93", "#3a8f5c", "#c2405b", "#8d7b3f", "#4c6fb1", "#7a7f87", "#b05fa8", "#2f9e9e")
STYLE = {
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "figure.facecolor": PAPER,
    "legend.frameon": False,
}


def bar_chart(panels: Mapping[str, Sequence[Bar]], label: str, title: str) -> Figure:
    """Draw horizontal bars, one panel for each key, two panels in a row. Bars of one name stand together."""
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    names = list(dict.fromkeys(bar.name for bars in panels.values() for bar in bars))
    groups = list(dict.fromkeys(bar.group for bars in panels.values() for bar in bars))
    most = max(len({bar.name for bar in bars}) for bars in panels.values())
    height = 0.9 + rows * (0.9 + most * (0.16 + 0.19 * len(groups)))
    with _figure((5.6 * columns + 1.2, height), title) as figure:
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True).flatten()
        for ax, (head, bars) in zip(axes, panels.items(), strict=False):
            _draw_bars(ax, bars, groups, names)
            ax.set_title(head)
            ax.set_xlabel(label)
            ax.xaxis.set_tick_params(labelbottom=True)
        for ax in axes[len(panels) :]:
            ax.set_visible(False)
        if len(groups) > 1:
            _legend(figure, axes[0], ncols=len(groups))
    return figure


def _draw_bars(ax: Any, bars: Sequence[Bar], groups: Sequence[str], names: Sequence[str]) -> None:
    present = [name for name in names if any(bar.name == name for bar in bars)]
    thickness = 0.8 / len(groups)
    for number, group in enumerate(groups):
        some = [bar for bar in bars if bar.group == group]
        at = [present.index(bar.name) + (number - (len(groups) - 1) / 2) * thickness for bar in some]
        drawn = ax.barh(at, [bar.length for bar in some], 0.92 * thickness, color=COLOURS[number], label=group)
        ax.bar_label(drawn, [f"{bar.length:.3g}{bar.unit}" for bar in some], padding=3, fontsize=7.5)
    ax.set_yticks(range(len(present)), present)
    ax.invert_yaxis()
    ax.margins(x=0.4)
    ax.grid(axis="x")
    ax.tick_params(length=0)


def size_chart(panels: Mapping[tuple[str, str], Mapping[str, Sequence[tuple[float, float]]]], label: str) -> Figure:
    """Draw lines over sizes in two rows of two panels. The key of a panel is its heading and its y label."""
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    with _figure((10.5, 7.6), "Sizes") as figure:
        axes = figure.subplots(2, 2, sharey="row").flatten()
        for ax, ((head, y_label), lines) in zip(axes, panels.items(), strict=True):
            for name, line in lines.items():
                colour = COLOURS[names.index(name) % len(COLOURS)]
                ax.plot(*zip(*line, strict=True), marker="o", markersize=4.5, color=colour, label=name)
            _scale_sizes(ax, sorted({at for line in lines.values() for at, _ in line}), y_label)
            ax.set_xlabel(label)
            ax.set_ylabel(y_label)
            ax.set_title(f"{head}: {y_label}")
            ax.grid()
        _legend(figure, axes[0], ncols=min(4, len(names)))
    return figure


def _scale_sizes(ax: Any, sizes: Sequence[float], y_label: str) -> None:
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    ax.set_xscale("log", base=2)
    if y_label.startswith("×"):
        ax.set_ylim(bottom=0)
    else:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.set_xticks(sizes, [f"{size:g}" for size in sizes])
    ax.xaxis.set_minor_locator(NullLocator())


def point_chart(points: Sequence[Point], x_label: str, y_label: str) -> Figure:
    """Draw each point with a line from its median up to its 99th percentile."""
    with _figure((10.8, 5.4), "Latency beside throughput") as figure:
        ax = figure.subplots()
        for number, (name, rate, median, last) in enumerate(points):
            colour = COLOURS[number % len(COLOURS)]
            ax.errorbar(rate, median, [[0.0], [max(last - median, 0.0)]], fmt="o", color=colour, capsize=5, label=name)
        ax.set_xlim(left=0)
        ax.set_ylim(bottom=0)
        ax.set_xlabel(x_label)
        ax.set_ylabel(y_label)
        ax.grid()
        _legend(figure, ax, ncols=2, fontsize=8)
    return figure


@contextmanager
def _figure(size: tuple[float, float], title: str) -> Iterator[Figure]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    with rc_context(STYLE):
        figure = Canvas(figsize=size, layout="constrained")
        yield figure
        figure.suptitle(title, fontsize=12, fontweight="bold", x=0.01, ha="left")


def _legend(figure: Figure, ax: Any, **settings: Any) -> None:
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", **settings)


def save(figure: Figure, path: Path, caption: str) -> None:
    """Write the chart as a PNG with a caption. Raise `SettingsError` if it cannot be written."""
    figure.supxlabel(caption, x=0.01, ha="left", fontsize=7.5, color="#5b636d")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150, bbox_inches="tight", pad_inches=0.15)
    write_bytes(path, picture.getvalue())
