// The log: the last lines that the show printed. It asks the show only while it is open.

import { byId, element } from "/dom.js";

const PERIOD = 1000; // ms between two looks

let newest = -1; // number of the newest line that is shown
let timer = 0;

const clock = (seconds) => new Date(1000 * seconds).toTimeString().slice(0, 8);

function showLines(lines) {
  const last = lines.at(-1)?.number ?? 0;
  if (last === newest) return; // a text that is selected stays
  newest = last;
  byId("log-lines").replaceChildren(...(lines.length
    ? [...lines].reverse().map(({ at, level, text }) => element("li", { class: level === "info" ? "" : level },
      element("small", {}, clock(at)), " ", text))
    : [element("li", {}, "Nothing was logged.")]));
}

async function look() {
  clearTimeout(timer);
  try {
    const reply = await fetch("/api/log");
    if (reply.ok) showLines((await reply.json()).lines);
  } catch { /* the connection is lost, which the page says already */ }
  clearTimeout(timer);
  if (byId("log").open) timer = setTimeout(look, PERIOD);
}

export function startLog() {
  byId("log").ontoggle = () => { if (byId("log").open) look(); };
}
