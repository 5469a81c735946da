// Modulation: each control that an LFO moves has a button that names the LFO, and its slider a band that the LFO reaches.

import { shown } from "/controls.js";
import { byId, element, showText } from "/dom.js";
import { controls, parameters, values, watchValues } from "/show.js";

const BOTH_SIDES = ["sine", "triangle", "rise", "fall", "square", "noise", "steps"]; // the others push to one side
const ENDS = ["--from", "--to", "--again-from", "--again-to"]; // ends of the bands, see controls.css

let waiting = false;
const marked = new Set(); // addresses of controls that have a button

// Return the LFOs by the address of the number that they move: [{place, swing: [lowest, highest]}], in half ranges.
function movers() {
  const found = new Map();
  for (let place = 1; values.has(`/lfo/${place}/target`); place += 1) {
    const [target, shape, amount] = ["target", "shape", "amount"].map((part) => values.get(`/lfo/${place}/${part}`));
    if (target === "none") continue;
    const other = BOTH_SIDES.includes(shape) ? -amount : 0;
    const swing = [Math.min(amount, other), Math.max(amount, other)];
    found.set(`/${target}`, [...(found.get(`/${target}`) ?? []), { place, swing }]);
  }
  return found;
}

// Return the number of places from the first text to the last one, which the travel goes round.
function ring() {
  const texts = [...values].filter(([address, text]) => /^\/prompt\/\d+\/text$/.test(address) && text.trim())
    .map(([address]) => Number(address.split("/")[2]));
  return texts.length ? texts.at(-1) - texts[0] + 1 : 0;
}

// Return why an LFO does nothing to a control now, or "".
function rest(address) {
  const [, key, place] = address.split("/");
  if (key === "prompt" && !values.get(`/prompt/${place}/text`)) return `prompt ${place} is empty`;
  if (key === "processor" && !values.get(`/processor/${place}/name`)) return "there is no processor";
  return key === "travel" && (values.get(address) < 1 || !ring()) ? "the travel is off" : "";
}

// Return the parts of a range, as [from, to] in the control's own unit, that these LFOs reach together.
function reach(parameter, half, lfos) {
  const { address, kind, minimum, maximum } = parameter;
  const value = values.get(address);
  const [low, high] = [0, 1].map((end) => value + half * lfos.reduce((sum, { swing }) => sum + swing[end], 0));
  if (address === "/travel") return around(low, high, ring());
  const kept = (number) => Math.min(Math.max(kind === "int" ? Math.round(number) : number, minimum), maximum);
  return [[kept(low), kept(high)]];
}

// Return the parts of a ring that begins at 1 between two places, which may lie beyond its ends.
function around(low, high, length) {
  if (high - low >= length) return [[1, 1 + length]];
  const from = 1 + ((low - 1) % length + length) % length, to = from + high - low;
  return to <= 1 + length ? [[from, to]] : [[from, 1 + length], [1, to - length]];
}

const plain = (parameter, number) => String(Number(shown({ ...parameter, kind: "float" }, number)));

// Return how far an LFO moves a number: "±0.2", "+0.2", "−0.2".
function span(parameter, half, [low, high]) {
  const far = Math.max(-low, high);
  const sign = low && high ? "±" : low ? "−" : "+";
  return `${sign}${plain(parameter, far * half)}${parameter.unit ? ` ${parameter.unit}` : ""}`;
}

function mark(address, lfos) {
  const control = controls.get(address), parameter = parameters.get(address);
  if (!control || !parameter) return;
  const half = (address === "/travel" ? ring() : parameter.maximum - parameter.minimum) / 2;
  const reason = rest(address);
  const parts = reason ? [] : reach(parameter, half, lfos);
  const said = lfos.map(({ place, swing }) => (reason ? `LFO ${place} rests: ${reason}`
    : `moved by LFO ${place}, ${span(parameter, half, swing)}`));
  showButtons(control.element.querySelector(".name"), lfos, said);
  showBand(control.element.querySelector("input"), parameter, parts, said);
}

function showButtons(name, lfos, said) {
  const line = name.querySelector(".movers") ?? name.appendChild(element("span", { class: "movers" }));
  while (line.childElementCount > lfos.length) line.lastElementChild.remove();
  while (line.childElementCount < lfos.length) line.append(element("button", { type: "button" }));
  lfos.forEach(({ place }, number) => {
    const button = line.children[number];
    showText(button, `LFO ${place}`);
    button.onclick = () => openLfo(place);
    button.setAttribute("aria-label", said[number]);
    button.title = `${said[number]}\nopen LFO ${place}`;
  });
}

// A slider's thumb is inside its ends, so the band is measured from thumb to thumb. Two parts are those of a ring.
function showBand(field, parameter, parts, said) {
  const share = (number) => (number - parameter.minimum) / (parameter.maximum - parameter.minimum);
  const ends = parts.flat().map(share);
  ENDS.forEach((name, number) => field.style.setProperty(name, ends[number] ?? 0));
  const words = parts.map((part) => part.map((number) => plain(parameter, number)).join(" to ")).join(" and ");
  field.setAttribute("aria-description", [...said, words].filter(Boolean).join(", "));
}

function clear(address) {
  const control = controls.get(address);
  control?.element.querySelector(".movers")?.remove();
  const field = control?.element.querySelector("input");
  field?.removeAttribute("aria-description");
  for (const name of ENDS) field?.style.removeProperty(name);
}

function openLfo(place) {
  byId("lfo").open = true;
  const target = controls.get(`/lfo/${place}/target`).element;
  target.scrollIntoView({ block: "center" });
  target.querySelector("select").focus();
}

function showAll() {
  waiting = false;
  const found = movers();
  for (const address of [...marked].filter((each) => !found.has(each))) {
    clear(address);
    marked.delete(address);
  }
  for (const [address, lfos] of found) {
    mark(address, lfos);
    marked.add(address);
  }
}

export function startModulation() {
  watchValues((address) => {
    const concerns = /^\/(lfo\/\d+\/(target|shape|amount)|prompt\/\d+\/text|processor\/\d+\/name)$/.test(address);
    if (waiting || !(concerns || marked.has(address))) return;
    waiting = true; // a preset brings many values at once
    queueMicrotask(showAll);
  });
}
