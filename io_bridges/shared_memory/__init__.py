"""Pictures in named shared memory: the segment, the ring of pictures and TouchDesigner's layout, source and sink."""

__all__ = [
    "received_picture",
    "ring_layout",
    "ring_reader",
    "ring_writer",
    "segment",
    "sink",
    "source",
    "touchdesigner_layout",
]
