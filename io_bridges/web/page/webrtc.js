// The live picture over WebRTC, where the show offers it and the browser agrees. Meanwhile and otherwise it comes as JPEGs.

import { socketTo } from "/show.js";

const STALL = 5000;  // ms without a picture after which the connection counts as lost; the show sends one every second
const RETRY = 30000; // ms before the next attempt after a connection was lost

// Draw each picture of a video with `draw(video)`. `begun` is called after the first one, `over(reason)` once if it ends.
function receive({ draw, begun, over }) {
  const connection = new RTCPeerConnection({ iceServers: [] }); // no server is asked for this machine's address
  const socket = socketTo("/ws/webrtc");
  const video = document.createElement("video");
  let watchdog = setTimeout(() => end("stalled"), 3 * STALL), isOver = false, isBegun = false;

  function end(reason) {
    if (isOver) return;
    isOver = true;
    clearTimeout(watchdog);
    connection.close();
    socket.close();
    video.srcObject = null;
    over(reason);
  }

  function show() {
    if (isOver) return;
    clearTimeout(watchdog);
    watchdog = setTimeout(() => end("stalled"), STALL);
    draw(video);
    if (!isBegun) begun();
    isBegun = true;
    video.requestVideoFrameCallback(show);
  }

  video.muted = video.playsInline = true; // a browser plays only a silent video by itself
  connection.addTransceiver("video", { direction: "recvonly" });
  connection.ontrack = ({ track }) => {
    video.srcObject = new MediaStream([track]);
    video.requestVideoFrameCallback(show);
    video.play().catch(() => end("refused"));
  };
  socket.onopen = async () => {
    await connection.setLocalDescription();
    socket.send(JSON.stringify({ offer: connection.localDescription.sdp }));
  };
  socket.onmessage = async (event) => {
    const { answer, refused } = JSON.parse(event.data);
    if (answer) await connection.setRemoteDescription({ type: "answer", sdp: answer }).catch(() => end("refused"));
    else end(refused ? "refused" : "ended");
  };
  socket.onclose = () => end("ended");
  return () => end("hidden");
}

// Receive the picture whenever the page can be seen. `begun` is called when pictures come, `lost` when they end.
export function receivePicture({ draw, begun, lost }) {
  if (!("RTCPeerConnection" in window) || !("requestVideoFrameCallback" in HTMLVideoElement.prototype)) return;
  let stop = null, timer = 0, isRefused = false;
  const start = () => {
    if (stop || isRefused || document.hidden) return;
    clearTimeout(timer);
    stop = receive({ draw, begun, over: (reason) => {
      stop = null;
      isRefused = reason === "refused"; // until the page is loaded again
      lost();
      if (reason !== "hidden") timer = setTimeout(start, RETRY);
    } });
  };
  // A hidden tab costs the show nothing.
  document.addEventListener("visibilitychange", () => { if (document.hidden) stop?.(); else start(); });
  start();
}
