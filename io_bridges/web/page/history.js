// Rate and latency of the last two minutes, as lines in the panel of signals.

import { byId, element, showText } from "/dom.js";

const LENGTH = 120_000; // ms
const GAP = 3000;       // ms without a figure, after which a line starts anew
const LINES = [
  { title: "drawn", unit: "fps", figure: (status) => status.fps, places: 1 },
  { title: "output", unit: "fps", figure: (status) => status.output_fps, places: 1 },
  { title: "latency", unit: "ms", figure: (status) => status.latency_ms, places: 0 },
].map((line) => ({ ...line, points: [] }));

// Keep the figures of a status, and draw them if the panel is open.
export function showHistory(status, now = performance.now()) {
  for (const line of LINES) {
    const value = line.figure(status);
    if (Number.isFinite(value)) line.points.push({ at: now, value });
    while (line.points.length && line.points[0].at < now - LENGTH) line.points.shift();
  }
  if (byId("history").open) LINES.forEach((line) => draw(line, now));
}

function rowOf(line) {
  line.row ??= byId("history-lines").appendChild(element("div", { role: "img" },
    element("span", {}, line.title), element("canvas", { width: 240, height: 30 }), element("output", {})));
  return line.row;
}

function draw(line, now) {
  const row = rowOf(line), [, canvas, range] = row.children;
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  row.hidden = !line.points.length;
  if (row.hidden) return;
  const values = line.points.map(({ value }) => value);
  const low = Math.min(...values), high = Math.max(...values);
  const top = Math.max(high * 1.1, 1); // from zero, so that a fall looks as deep as it is
  pen.strokeStyle = getComputedStyle(canvas).color;
  pen.lineWidth = 1.5;
  pen.beginPath();
  let last = -Infinity;
  for (const { at, value } of line.points) {
    const x = canvas.width * (1 + (at - now) / LENGTH), y = canvas.height * (1 - value / top);
    if (at - last > GAP) pen.moveTo(x, y);
    else pen.lineTo(x, y);
    last = at;
  }
  pen.stroke();
  const text = `${low.toFixed(line.places)} – ${high.toFixed(line.places)} ${line.unit}`;
  showText(range, text);
  row.setAttribute("aria-label", `${line.title}, last two minutes: ${text}`);
}

export function startHistory() {
  byId("history").ontoggle = () => LINES.forEach((line) => draw(line, performance.now()));
}
