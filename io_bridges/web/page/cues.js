// The set list: the cue on air, the next one, and the buttons that call them.

import { byId, element, showText } from "/dom.js";
import { act } from "/show.js";

let shown = "";

// Show {presets: [name], place: number from 1, 0 before the first}; nothing without a set list.
export function showCues(cues) {
  const now = JSON.stringify(cues ?? null);
  if (now === shown) return;
  shown = now;
  for (const part of [byId("cues"), ...document.querySelectorAll(".cue-key")]) part.hidden = !cues;
  if (!cues) return;
  const { presets, place, at = [] } = cues;
  byId("cue-list").replaceChildren(...presets.map((name, number) => element("button",
    { type: "button", class: "cue", title: `Jump to cue ${number + 1}`, "aria-pressed": String(number + 1 === place),
      onclick: () => act("/cue/jump", String(number + 1)) },
    `${number + 1} ${name.replaceAll(/[-_]/g, " ")}`, ...(at[number] ? [element("small", {}, at[number])] : []))));
  byId("cue-go").textContent = place < presets.length ? `Go: ${presets[place].replaceAll(/[-_]/g, " ")}` : "Go";
  byId("cue-go").disabled = place >= presets.length;
  byId("cue-back").disabled = place <= 1;
}

// Show the time of the MIDI timecode that calls cues, dimmed while it stands.
export function showTimecode(controls) {
  const found = controls.find(({ timecode }) => timecode)?.timecode;
  showText(byId("timecode"), found ? `${found.time} · ${found.rate} fps` : "");
  byId("timecode").classList.toggle("quiet", !found?.runs);
}

// Space calls the next cue and Backspace the one before. Returns false for another key and without a set list.
export function cueByKey(key) {
  const button = { " ": byId("cue-go"), backspace: byId("cue-back") }[key];
  if (!button || byId("cues").hidden) return false;
  if (!button.disabled) button.click();
  return true;
}

export function startCues() {
  byId("cue-go").onclick = () => act("/cue/go");
  byId("cue-back").onclick = () => act("/cue/back");
}
