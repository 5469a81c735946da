"""An NDI program that knows nothing of streamflow-live. It sends a picture, or receives and keeps the newest one.

``ndi_peer.py send NAME PICTURE.npy`` sends uint8 [H, W, 4], RGBA, at 30 Hz until it is killed.
``ndi_peer.py play NAME CLIP`` decodes a clip and sends its frames at 30 Hz, over and over, until it is killed.
``ndi_peer.py receive NAME FOLDER`` writes each new frame into FOLDER as NUMBER.npy, uint8 [H, W, 4], RGBA.
"""

import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from itertools import cycle
from pathlib import Path

import numpy as np
from cyndilib.finder import Finder
from cyndilib.receiver import Receiver
from cyndilib.sender import Sender
from cyndilib.video_frame import VideoFrameSync, VideoSendFrame
from cyndilib.wrapper.ndi_recv import RecvBandwidth, RecvColorFormat
from cyndilib.wrapper.ndi_structs import FourCC

SWAP_RED_AND_BLUE = [2, 1, 0, 3]


def send(name: str, path: str) -> None:
    """Send one picture."""
    send_all(name, [np.load(path)])


def play(name: str, path: str) -> None:
    """Send the frames of a clip."""
    import av

    with av.open(path) as container:
        send_all(name, [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)])


def send_all(name: str, pictures: Sequence[np.ndarray]) -> None:
    """Send in another channel order than the sink does."""
    frame = VideoSendFrame()
    frame.set_resolution(pictures[0].shape[1], pictures[0].shape[0])
    frame.set_frame_rate(Fraction(30))
    frame.set_fourcc(FourCC.BGRA)
    sender = Sender(name, clock_video=True)
    sender.set_video_frame(frame)
    sender.open()
    print(sender.name, flush=True)
    swapped = [np.ascontiguousarray(picture[:, :, SWAP_RED_AND_BLUE]).reshape(-1) for picture in pictures]
    for data in cycle(swapped):
        sender.write_video(data)


def receive(name: str, folder: str) -> None:
    """Receive in another channel order than the source does."""
    finder = Finder()
    while (found := next((each for each in finder.update_sources() if name in each), None)) is None:
        time.sleep(0.05)
    receiver = Receiver(color_format=RecvColorFormat.BGRX_BGRA, bandwidth=RecvBandwidth.highest)
    video = VideoFrameSync()
    receiver.frame_sync.set_video_frame(video)
    receiver.set_source(finder.get_source(found))
    print(found, flush=True)
    last, number = 0.0, 0
    while True:
        receiver.frame_sync.capture_video()
        width, height = video.get_resolution()
        if not width or (stamp := video.get_timestamp_posix()) == last:
            time.sleep(0.005)
            continue
        last = stamp
        lines = np.frombuffer(video, np.uint8).reshape(height, video.get_line_stride())
        picture = lines[:, : width * 4].reshape(height, width, 4)[:, :, SWAP_RED_AND_BLUE]
        part = Path(folder, "part.npy")
        np.save(part, picture)
        part.replace(Path(folder, f"{number:06d}.npy"))
        number += 1
        del lines, picture  # The buffer must be free before the next capture.


if __name__ == "__main__":
    {"send": send, "play": play, "receive": receive}[sys.argv[1]](*sys.argv[2:])
