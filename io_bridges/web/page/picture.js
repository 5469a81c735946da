// The live picture and full screen.

import { byId, element } from "/dom.js";
import { connect, values, watchValues } from "/show.js";

const CHIPS = { "/freeze": "frozen", "/blackout": "blackout" };

function draw(bitmap) {
  const canvas = byId("picture");
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
  bitmap.close();
  byId("waiting").hidden = true;
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
  connect("/ws/picture", {
    message: async (blob, socket) => {
      try {
        const bitmap = await createImageBitmap(blob);
        // A hidden tab gets no animation frame, so it asks for no picture and costs the show nothing.
        await new Promise(requestAnimationFrame);
        draw(bitmap);
      } finally {
        if (socket.readyState === WebSocket.OPEN) socket.send("next");
      }
    },
  });
}
