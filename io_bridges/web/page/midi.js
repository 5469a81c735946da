// The MIDI panel: devices and ports, the last message, a control to learn, and the mapping, whose entries can be removed.

import { byId, element, showText } from "/dom.js";
import { act, actions, parameters } from "/show.js";

let presets = "";   // names of the presets that the chooser has, as one text
let shown = "";     // mapping that is shown, as one text
let isLearning = false;

const nameOf = ({ to, value }) => (value === null || value === undefined ? to : `${to} ${value}`);

// Fill the chooser: every address that a control can have, and each preset.
export function showMidiTargets() {
  const chosen = byId("midi-target").value;
  const numbers = [...parameters.values()].filter(({ kind }) => kind !== "text").map(({ address }) => address);
  const acts = [...actions.values()].filter(({ address, argument }) => !argument && !address.startsWith("/midi/"))
    .map(({ address }) => address);
  const looks = presets ? presets.split("\n").map((name) => `/preset ${name}`) : [];
  byId("midi-target").replaceChildren(...[["Controls", numbers], ["Actions", acts], ["Presets", looks]]
    .filter(([, texts]) => texts.length)
    .map(([label, texts]) => element("optgroup", { label }, ...texts.map((text) => element("option", {}, text)))));
  byId("midi-target").value = chosen || "/strength";
}

function makeDevice({ name, state, input, output, note }) {
  const ports = input === output ? input : [input && `in ${input}`, output && `out ${output}`].filter(Boolean).join(", ");
  return element("li", { "data-level": state === "open" ? "good" : "warning" },
    element("strong", {}, name), " ", element("span", { class: "quiet" }, state === "open" ? ports : note || state));
}

const makeEntry = (entry) => element("li", {}, element("strong", {}, entry.control), ` ${nameOf(entry)}`,
  element("button", { type: "button", class: "remove", "aria-label": `remove ${entry.control}`,
    onclick: () => act("/midi/forget", entry.control) }, "Remove"));

// A node is only replaced if it changes, so that a text that is selected stays and no click is lost.
function replaceIfChanged(list, made) {
  const text = (nodes) => [...nodes].map((node) => node.outerHTML).join("");
  if (text(list.children) !== text(made)) list.replaceChildren(...made);
}

function showOutcome({ learning, learned, not_saved: unsaved }) {
  isLearning = Boolean(learning);
  const button = byId("midi-learn").querySelector("button");
  button.textContent = isLearning ? "Cancel" : "Learn";
  button.setAttribute("aria-pressed", String(isLearning));
  showText(byId("midi-outcome"), isLearning ? `Move a MIDI control for ${nameOf(learning)}: ${learning.seconds} s`
    : [learned, unsaved && `not saved: ${unsaved}`].filter(Boolean).join("; "));
}

export function showMidi(status) {
  const midi = status.controls?.find(({ name }) => name === "midi");
  byId("midi").hidden = !midi;
  const names = (status.presets ?? []).join("\n");
  if (names !== presets) {
    presets = names;
    showMidiTargets();
  }
  if (!midi) return;
  replaceIfChanged(byId("midi-devices"), midi.devices.map(makeDevice));
  showText(byId("midi-last"), midi.last ? `last: ${midi.last.device} ${midi.last.control} = ${midi.last.value}` : "");
  showOutcome(midi);
  showText(byId("midi-ports").querySelector("p"), [...new Set([...midi.inputs, ...midi.outputs])].join(", ") || "none");
  const mapping = JSON.stringify(midi.mappings);
  if (mapping === shown) return;
  shown = mapping;
  byId("midi-mappings").querySelector("ul").replaceChildren(...midi.mappings.map(makeEntry));
  showText(byId("midi-mappings").querySelector("p"), midi.file);
}

export function startMidi() {
  byId("midi-learn").onsubmit = (event) => {
    event.preventDefault();
    if (isLearning) act("/midi/cancel");
    else act("/midi/learn", byId("midi-target").value);
  };
}
