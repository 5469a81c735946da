// The live picture, the input beside it, and full screen.

import { byId, element } from "/dom.js";
import { connect, values, watchValues } from "/show.js";
import { receivePicture } from "/webrtc.js";

const CHIPS = { "/freeze": "frozen", "/blackout": "blackout", "/lock": "locked" };

let closeInput = null; // ends the input's socket while it is shown

function draw(canvas, picture, width, height) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  canvas.getContext("2d", { alpha: false }).drawImage(picture, 0, 0);
}

// Show the pictures of a WebSocket on a canvas. Return a function that ends it.
function play(path, canvas, drawn = () => {}) {
  return connect(path, {
    message: async (blob, socket) => {
      try {
        const bitmap = await createImageBitmap(blob);
        // A hidden tab gets no animation frame, so it asks for no picture and costs the show nothing.
        await new Promise(requestAnimationFrame);
        draw(canvas, bitmap, bitmap.width, bitmap.height);
        bitmap.close();
        drawn();
      } finally {
        if (socket.readyState === WebSocket.OPEN) socket.send("next");
      }
    },
  });
}

// The input costs the show something only while it is beside the output.
export function toggleInput() {
  closeInput?.();
  closeInput = closeInput ? null : play("/ws/input", byId("input"));
  const shown = closeInput !== null;
  byId("input").hidden = !shown;
  byId("screen").classList.toggle("compared", shown);
  byId("compare").setAttribute("aria-pressed", String(shown));
}

function showChips() {
  const active = Object.keys(CHIPS).filter((address) => values.get(address));
  byId("chips").replaceChildren(...active.map((address) => element("span", { class: CHIPS[address] }, CHIPS[address])));
}

function toggleFullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else byId("screen").requestFullscreen();
}

export function startPicture() {
  watchValues((address) => { if (address in CHIPS) showChips(); });
  byId("fullscreen").onclick = toggleFullscreen;
  byId("picture").ondblclick = toggleFullscreen;
  byId("compare").onclick = toggleInput;
  const canvas = byId("picture"), drawn = () => { byId("waiting").hidden = true; };
  const playJpegs = () => play("/ws/picture", canvas, drawn);
  let endJpegs = playJpegs();
  receivePicture({
    draw: (video) => { draw(canvas, video, video.videoWidth, video.videoHeight); drawn(); },
    begun: () => { endJpegs?.(); endJpegs = null; canvas.dataset.by = "webrtc"; },
    lost: () => { endJpegs ??= playJpegs(); canvas.dataset.by = "jpeg"; },
  });
}
