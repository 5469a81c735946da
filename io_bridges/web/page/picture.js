// The live picture, the input beside it, and full screen.

import { byId, element } from "/dom.js";
import { connect, values, watchValues } from "/show.js";

const CHIPS = { "/freeze": "frozen", "/blackout": "blackout" };

let closeInput = null; // ends the input's socket while it is shown

function draw(canvas, bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
  bitmap.close();
}

// Show the pictures of a WebSocket on a canvas. Return a function that ends it.
function play(path, canvas, drawn = () => {}) {
  return connect(path, {
    message: async (blob, socket) => {
      try {
        const bitmap = await createImageBitmap(blob);
        // A hidden tab gets no animation frame, so it asks for no picture and costs the show nothing.
        await new Promise(requestAnimationFrame);
        draw(canvas, bitmap);
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
  play("/ws/picture", byId("picture"), () => { byId("waiting").hidden = true; });
}
