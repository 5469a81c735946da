"""`RendererReport`: the last messages of one renderer, read by the supervisor and the status."""

from dataclasses import dataclass, field

from daemon.link.messages import Delivery, Description, Failed, NetworkCall, Progress, TakesLong

NO_CALL = NetworkCall(0.0, 0, 0, "")
STARTING = Progress("starting", "", 0.0)
NOT_DESCRIBED = Description({})


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

    def after(self, delivery: Delivery) -> "DeliveryStats":
        """Return the statistics with one more picture."""
        height, width, _ = delivery.pixels.shape
        number = delivery.stamps.number
        misplaced = self.misplaced + (number != self.last_number + 1)
        return DeliveryStats(self.delivered + 1, misplaced, number, (width, height), delivery.call)


@dataclass(slots=True, eq=False)
class RendererReport:
    """Last message of each kind. The link's thread replaces them; any thread may read."""

    token: str
    """Secret that the renderer says hello with."""
    heard_at: int
    """Time of the last message, nanoseconds."""
    is_held: bool = False
    """True for an understudy: its asks get no frame until it is released."""
    progress: Progress = STARTING
    description: Description = NOT_DESCRIBED
    takes_long: TakesLong | None = None
    takes_long_at: int = 0
    """Time of `takes_long`, nanoseconds."""
    failure: Failed | None = None
    deliveries: DeliveryStats = field(default_factory=DeliveryStats)
