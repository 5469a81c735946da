// Recorded controls: what is recorded and played now, and the buttons that begin and end it.

import { byId, showText } from "/dom.js";
import { act } from "/show.js";

let isRecording = false;
let isPlaying = false;

const whole = (seconds) => Math.floor(seconds);

// Show what the status says of them; each is null for nothing.
export function showRecorded({ recording_controls: recording, playing_controls: playing }) {
  isRecording = Boolean(recording?.is_on);
  isPlaying = Boolean(playing);
  const dropped = recording?.dropped ? `, ${recording.dropped} dropped` : "";
  const told = isRecording ? `Recording ${recording.path}: ${whole(recording.seconds)} s, ${recording.messages} messages${dropped}` : "";
  showText(byId("recording-controls"), told);
  const end = playing?.loop ? "in a loop of" : "of";
  showText(byId("playing-controls"), isPlaying ? `Playing ${playing.path}: ${whole(playing.seconds)} s ${end} ${whole(playing.length)} s` : "");
  byId("record-controls").textContent = isRecording ? "Stop recording" : "Record";
  byId("record-controls").setAttribute("aria-pressed", String(isRecording));
  byId("stop-controls").disabled = !isPlaying;
}

export function startRecorded() {
  const field = byId("controls-name");
  const withName = (address) => (field.value.trim() ? act(address, field.value.trim()) : field.focus());
  byId("record-controls").onclick = () => (isRecording ? act("/record/stop") : withName("/record/controls"));
  byId("play-controls").onclick = () => withName("/play/controls");
  byId("loop-controls").onclick = () => withName("/play/loop");
  byId("stop-controls").onclick = () => act("/play/stop");
}
