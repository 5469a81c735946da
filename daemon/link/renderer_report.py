"""`RendererReport`: the last messages of one renderer, read by the supervisor and the status."""

from collections import deque
from dataclasses import dataclass, field

from daemon.link.messages import Delivery, Description, Failed, NetworkCall, Progress, TakesLong
from daemon.shared.clock import NS
from presets.build import Build

NO_CALL = NetworkCall(0.0, 0, 0, "")
STARTING = Progress("starting", "", 0.0)
NOT_DESCRIBED = Description({})

WINDOW = 3 * NS
"""Nanoseconds over which the rate of a renderer is measured."""
RATED = 360
"""Most pictures that are kept for it."""


@dataclass(frozen=True, slots=True)
class DeliveryStats:
    """Statistics of the pictures that a renderer has delivered."""

    delivered: int = 0
    misplaced: int = 0
    """Number of pictures that were lost or came out of order. It stays 0 unless the renderer has a defect."""
    last_number: int = 0
    """`FrameStamps.number` of the last picture."""
    size: tuple[int, int] = (0, 0)
    """Width and height of the last picture, px."""
    call: NetworkCall = NO_CALL
    """Network call that finished the last picture."""
    turn: int = 0
    """`FrameStamps.turn` of the last picture."""

    def after(self, delivery: Delivery) -> "DeliveryStats":
        """Return the statistics with one more picture."""
        height, width, _ = delivery.pixels.shape
        number, turn = delivery.stamps.number, delivery.stamps.turn
        misplaced = self.misplaced + (number != self.last_number + 1)
        return DeliveryStats(self.delivered + 1, misplaced, number, (width, height), delivery.call, turn)


@dataclass(slots=True, eq=False)
class RendererReport:
    """Last message of each kind. The link's thread replaces them; any thread may read."""

    token: str
    """Secret that the renderer says hello with."""
    heard_at: int
    """Time of the last message, nanoseconds."""
    build: Build | None = None
    """Build that it plays. Renderers of one build share the frames."""
    is_held: bool = False
    """True for an understudy: its asks get no frame until it is released."""
    is_beside: bool = False
    """True for one that draws beside the first renderer of its build, and waits while one alone may draw."""
    progress: Progress = STARTING
    description: Description = NOT_DESCRIBED
    takes_long: TakesLong | None = None
    takes_long_at: int = 0
    """Time of `takes_long`, nanoseconds."""
    failure: Failed | None = None
    deliveries: DeliveryStats = field(default_factory=DeliveryStats)
    late: int = 0
    """Pictures that came after one of a later turn was shown."""
    times: deque[int] = field(default_factory=lambda: deque(maxlen=RATED))
    """Times of the last pictures, nanoseconds."""

    def rate(self, now: int) -> float:
        """Return the pictures a second over the last `WINDOW`; 0 if fewer than two are recent."""
        recent = [at for at in list(self.times) if now - at <= WINDOW]
        if len(recent) < 2:
            return 0.0
        # A renderer that stalls shows at once.
        span = max(recent[-1] - recent[0], now - recent[0] - (recent[-1] - recent[0]) // (len(recent) - 1))
        return (len(recent) - 1) * NS / span if span > 0 else 0.0
