"""A show without a backup, as every show is until one asks."""

from daemon.backup.backup_pair import pair_of
from daemon.backup.paired_show import PairedShow
from daemon.shared.clock import SystemClock
from daemon.stage.output_clock import OutputClock
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.settings import Settings
from io_bridges.show_control import ShowControl


def lone_show(show: ShowControl, store: ParameterStore) -> PairedShow:
    """Return the show with the actions of a pair. It never looks at its output, since no backup asks."""

    def output() -> OutputClock:
        raise AssertionError

    return PairedShow(show, pair_of(Settings(), store, SystemClock(), output, None))
