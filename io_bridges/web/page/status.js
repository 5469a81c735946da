// The state of the show: figures, one word on how it plays, progress of a renderer that starts, notices.

import { byId, element, showText } from "/dom.js";
import { act } from "/show.js";

const LEVELS = ["good", "info", "warning", "error"];

const size = (sides) => (Array.isArray(sides) && sides[0] > 0 ? `${sides[0]}×${sides[1]}` : "");

export function showStatus(status) {
  const notices = (Array.isArray(status.notices) ? [...status.notices] : [])
    .sort((one, other) => LEVELS.indexOf(other.level) - LEVELS.indexOf(one.level)); // the gravest first
  showFigures(status);
  showState(status, notices);
  showProgress(status.renderer);
  showNotices(notices);
}

function showFigures(status) {
  const figure = (id, value, places) => showText(byId(id), typeof value === "number" ? value.toFixed(places) : "–");
  figure("fps", status.fps, 1);
  figure("output-fps", status.output_fps, 1);
  byId("output-fps").title = status.output_fps_from ? `${status.output_fps} a second, ${status.output_fps_from}` : "";
  figure("latency", status.latency_ms, 0);
  const drawn = size(status.renderer?.size), output = size(status.output_size);
  showText(byId("drawn-size"), drawn || "–");
  showText(byId("output-size"), output && output !== drawn ? `→ ${output}` : "");
}

// ---- the state ----

function stateOf(status, notices) {
  const { phase } = status.renderer;
  if (phase !== "playing") return { word: phase, level: phase === "down" ? "error" : "warning" };
  const moves = status.fps > 0;
  const levels = notices.map((notice) => LEVELS.indexOf(notice.level));
  return { word: moves ? "playing" : "standing still", level: LEVELS[Math.max(moves ? 0 : 1, ...levels)] };
}

function showState(status, notices) {
  const { renderer } = status, state = byId("renderer");
  state.hidden = !renderer?.phase;
  if (!renderer?.phase) return;
  const playing = renderer.phase === "playing";
  const { word, level } = stateOf(status, notices);
  const wanted = status.wanted ?? status.revision;
  const behind = playing && wanted > (status.on_air?.revision ?? wanted);
  const { next } = renderer; // the renderer that takes over
  const percent = next?.fraction > 0 ? ` ${Math.round(100 * next.fraction)} %` : "";
  // An engine with a scalar timestep needs several calls a step, which costs frames.
  const calls = playing && renderer.forward !== "one call a step" && renderer.forward;
  state.dataset.level = level;
  state.classList.toggle("behind", behind);
  showText(state, [word, playing && renderer.model, playing && renderer.accelerator, playing && countOf(renderer.renderers), calls,
    renderer.meanwhile || (next?.phase ? `next ${next.phase}${percent}` : "")].filter(Boolean).join("  ·  "));
  state.title = [renderer.text, renderer.why, renderer.restarts ? `replaced ${renderer.restarts} times` : "", understudyText(renderer.understudy),
    ...eachText(renderer.renderers),
    renderer.failure, behind ? "a change is on its way to the picture" : ""].filter(Boolean).join("\n");
}

// Several renderers play one show: how many of how many, and each one's rate.
function countOf(renderers) {
  return renderers?.wanted > 1 ? `${renderers.playing} of ${renderers.wanted} renderers` : "";
}

function eachText(renderers) {
  if (!(renderers?.wanted > 1)) return [];
  const lines = renderers.each.map(({ pid, place, phase, fps, late }) =>
    `renderer ${[place, pid].filter(Boolean).join(", ")}: ${phase === "playing" ? `${fps.toFixed(1)} fps` : phase}${late ? `, ${late} late` : ""}`);
  return renderers.reason ? [...lines, renderers.reason] : lines;
}

function understudyText(understudy) {
  if (!understudy) return "";
  const { state, mib, reason } = understudy;
  return state === "none" ? `no understudy: ${reason}` : `understudy ${state}, ${mib} MiB`;
}

function showProgress(renderer) {
  byId("progress").hidden = !renderer?.phase || renderer.phase === "playing";
  if (byId("progress").hidden) return;
  showText(byId("progress-text"), renderer.text || renderer.phase);
  if (typeof renderer.fraction === "number" && renderer.fraction > 0) byId("progress-bar").value = renderer.fraction;
  else byId("progress-bar").removeAttribute("value");
}

// ---- notices ----

let announced = new Set();

// The seconds in a notice change all the time. Its text without numbers identifies it.
const identity = (notice) => notice.text.replace(/\d+/g, "#");

function showNotices(notices) {
  const list = byId("notices");
  while (list.childElementCount > notices.length) list.lastElementChild.remove();
  notices.forEach((notice, place) => {
    const entry = list.children[place] ?? list.appendChild(element("li"));
    entry.dataset.level = notice.level;
    showText(entry.firstChild ?? entry.appendChild(element("span")), notice.text);
    showButton(entry, notice.act);
  });
  const added = notices.filter((notice) => !announced.has(identity(notice)));
  announced = new Set(notices.map(identity));
  if (added.length) byId("announcement").textContent = added.map((notice) => notice.text).join(" ");
}

// Show the button of a notice that names what can be done, and keep it while it does the same.
function showButton(entry, action) {
  const shown = entry.querySelector("button");
  if (shown?.dataset.act === action?.address) return;
  shown?.remove();
  if (!action) return;
  const button = element("button", { type: "button", onclick: () => act(action.address) }, action.label);
  button.dataset.act = action.address;
  entry.append(button);
}
