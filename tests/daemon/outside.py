"""A program on another machine of the network, for `tests/daemon/stage/test_network_opening.py`.

It tries what a stranger, a phone with the token and a client with keys can reach, and prints the outcome as JSON.
"""

import contextlib
import http.client
import json
import socket
import sys
import time
from typing import Any

import zmq
from pythonosc.osc_message_builder import OscMessageBuilder
from zmq.auth import load_certificate


def status_of(given: dict[str, Any], path: str, method: str = "GET", **headers: str) -> int:
    """Return the status of an HTTP request; 0 if there is no connection."""
    connection = http.client.HTTPConnection(given["show"], given["web"], timeout=10)
    try:
        connection.request(method, path, headers=headers)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def value_after(given: dict[str, Any], source: str, value: float) -> tuple[float, int]:
    """Send a value and a poll of all by OSC from an address. Return the value then, and the answers that came."""
    answers = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        sender.settimeout(0.5)
        setting = OscMessageBuilder("/strength")
        setting.add_arg(value)
        for message in (setting, OscMessageBuilder("/*")):
            sender.sendto(message.build().dgram, (given["show"], given["osc"]))
        with contextlib.suppress(TimeoutError):
            while sender.recv(4096):
                answers += 1
    connection = http.client.HTTPConnection(given["show"], given["web"], timeout=10)
    connection.request("GET", "/api/values", headers={"Authorization": f"Bearer {given['token']}"})
    values = json.load(connection.getresponse())
    connection.close()
    return round(values["/strength"], 3), answers


def dropped(given: dict[str, Any]) -> int:
    """Return the number of datagrams that the show says it did not hear."""
    connection = http.client.HTTPConnection(given["show"], given["web"], timeout=10)
    connection.request("GET", "/api/status", headers={"Authorization": f"Bearer {given['token']}"})
    controls = json.load(connection.getresponse())["controls"]
    connection.close()
    return next(int(control["dropped"]) for control in controls if control["name"] == "osc")


def frame_comes(given: dict[str, Any], key: str | None, patience: int) -> bool:
    """Return True if a reader with this file of keys gets a frame."""
    with zmq.Context() as context, context.socket(zmq.SUB) as reader:
        reader.linger = 0
        if key is not None:
            public, secret = load_certificate(key)
            reader.curve_publickey, reader.curve_secretkey = public, secret or b""
            reader.curve_serverkey = given["server"].encode()
        reader.connect(f"tcp://{given['show']}:{given['sink']}")
        reader.subscribe(b"")
        return bool(reader.poll(patience))


def connects(given: dict[str, Any], port: str) -> bool:
    """Return True if a TCP port can be reached."""
    try:
        socket.create_connection((given["show"], given[port]), timeout=2).close()
    except OSError:
        return False
    return True


def main(given: dict[str, Any]) -> dict[str, Any]:
    """Try everything. The show may still be starting."""
    until = time.monotonic() + 60
    while not status_of(given, "/") and time.monotonic() < until:
        time.sleep(0.1)
    bearer = {"Authorization": f"Bearer {given['token']}"}
    return {
        "control": connects(given, "control"),
        "page": status_of(given, "/", Accept="text/html"),
        "page, wrong token": status_of(given, "/?token=wrong-token-here", Accept="text/html"),
        "page, first visit": status_of(given, f"/?token={given['token']}", Accept="text/html"),
        "values": status_of(given, "/api/values"),
        "values, token": status_of(given, "/api/values", **bearer),
        "panic": status_of(given, "/api/actions/panic", "POST"),
        "rebound name": status_of(given, "/api/values", Host=f"evil.example:{given['web']}", **bearer),
        "other site": status_of(given, "/api/values", Origin="http://evil.example", **bearer),
        "nodes": status_of(given, "/strength"),
        "osc, allowed": value_after(given, given["allowed"], 0.25),
        "osc, stranger": value_after(given, given["stranger"], 0.75),
        "dropped": dropped(given),
        "frames, no key": frame_comes(given, None, 700),
        "frames, key": frame_comes(given, given["key"], 20_000),
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
