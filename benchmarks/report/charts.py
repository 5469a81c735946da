"""Bars, lines and points in one look, by matplotlib, which is imported when something is drawn."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from presets.atomic_write import write_atomically
from presets.errors import SettingsError

Figure = Any
"""``matplotlib.figure.Figure``: no global state, no window, no backend to choose."""
Bar = tuple[str, str, float, str]
"""Its name, its group, its length, what stands at its end."""

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


def bars(panels_of: Mapping[str, Sequence[Bar]], label: str, title: str) -> Figure:
    """Horizontal bars, a panel each, side by side in twos; a name's bars of all groups lie together."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    across = min(2, len(panels_of))
    down = -(-len(panels_of) // across)
    names = list(dict.fromkeys(bar[0] for each in panels_of.values() for bar in each))
    groups = list(dict.fromkeys(bar[1] for each in panels_of.values() for bar in each))
    most = max(len({bar[0] for bar in each}) for each in panels_of.values())
    height = 0.9 + down * (0.9 + most * (0.16 + 0.19 * len(groups)))
    with rc_context(STYLE):
        figure = Canvas(figsize=(5.6 * across + 1.2, height), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False, sharex=True).flatten()
        for place, (head, found) in zip(axes, panels_of.items(), strict=False):
            _panel(place, head, found, groups, names)
            place.set_xlabel(label)
            place.xaxis.set_tick_params(labelbottom=True)
        for place in axes[len(panels_of) :]:
            place.set_visible(False)
        if len(groups) > 1:
            handles, labels = axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper right", ncols=len(groups))
        figure.suptitle(title, fontsize=12, fontweight="bold", x=0.01, ha="left")
    return figure


def _panel(place: Any, head: str, found: Sequence[Bar], groups: Sequence[str], names: Sequence[str]) -> None:
    present = [name for name in names if any(bar[0] == name for bar in found)]
    thick = 0.8 / len(groups)
    for number, group in enumerate(groups):
        some = [bar for bar in found if bar[1] == group]
        at = [present.index(bar[0]) + (number - (len(groups) - 1) / 2) * thick for bar in some]
        drawn = place.barh(at, [bar[2] for bar in some], 0.92 * thick, color=COLOURS[number], label=group)
        place.bar_label(drawn, [f"{bar[2]:.3g}{bar[3]}" for bar in some], padding=3, fontsize=7.5)
    place.set_yticks(range(len(present)), present)
    place.invert_yaxis()
    place.margins(x=0.4)
    place.grid(axis="x")
    place.tick_params(length=0)
    place.set_title(head)


def panels(found: Mapping[tuple[str, str], Mapping[str, Sequence[tuple[float, float]]]], label: str) -> Figure:
    """Lines over sizes, in two rows of two: the first two panels above, the others below."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    names = list(dict.fromkeys(name for lines in found.values() for name in lines))
    with rc_context(STYLE):
        figure = Canvas(figsize=(10.5, 7.6), layout="constrained")
        axes = figure.subplots(2, 2, sharey="row").flatten()
        for place, ((head, upwards), lines) in zip(axes, found.items(), strict=True):
            sizes = sorted({at for line in lines.values() for at, _ in line})
            for name, line in lines.items():
                colour = COLOURS[names.index(name) % len(COLOURS)]
                place.plot(*zip(*line, strict=True), marker="o", markersize=4.5, color=colour, label=name)
            place.set_xscale("log", base=2)
            if upwards.startswith("×"):
                place.set_ylim(bottom=0)
            else:
                place.set_yscale("log")
                place.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                place.yaxis.set_minor_locator(NullLocator())
                place.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            place.set_xticks(sizes, [f"{size:g}" for size in sizes])
            place.xaxis.set_minor_locator(NullLocator())
            place.set_xlabel(label)
            place.set_ylabel(upwards)
            place.set_title(f"{head}: {upwards}")
            place.grid()
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=min(4, len(labels)))
        figure.suptitle("Sizes", fontsize=12, fontweight="bold", x=0.01, ha="left")
    return figure


def points(found: Sequence[tuple[str, float, float, float]], across: str, upwards: str) -> Figure:
    """A point each at its rate and median, with a line up to its 99th percentile."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    with rc_context(STYLE):
        figure = Canvas(figsize=(10.8, 5.4), layout="constrained")
        place = figure.subplots()
        for number, (name, rate, median, last) in enumerate(found):
            colour = COLOURS[number % len(COLOURS)]
            place.errorbar(
                rate, median, [[0.0], [max(last - median, 0.0)]], fmt="o", color=colour, capsize=5, label=name
            )
        place.set_xlim(left=0)
        place.set_ylim(bottom=0)
        place.set_xlabel(across)
        place.set_ylabel(upwards)
        place.grid()
        handles, labels = place.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=2, fontsize=8)
        figure.suptitle("Latency beside throughput", fontsize=12, fontweight="bold", x=0.01, ha="left")
    return figure


def save(figure: Figure, path: Path, about: str) -> None:
    """As a PNG, whole or not at all, with where and when it was measured. Raises `SettingsError`."""
    figure.supxlabel(about, x=0.01, ha="left", fontsize=7.5, color="#5b636d")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150, bbox_inches="tight", pad_inches=0.15)
    try:
        write_atomically(path, picture.getvalue())
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {error.strerror or error}") from error
