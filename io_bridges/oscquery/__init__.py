"""OSCQuery: programs read the controls and their values over HTTP, and follow them over a WebSocket."""
