"""Live video through PyAV: cameras, network streams and screens. Needs the extra ``video``."""

__all__ = ["camera", "camera_devices", "grabber", "network_stream", "stream_protocols"]
