// The panels: one control for each declared parameter, in the panel of its group.

import { makeControl } from "/controls.js";
import { byId, element } from "/dom.js";
import { placePresetActions } from "/presets.js";
import { act, actions, controls, parameters, schemes, set, values, watchValues } from "/show.js";
import { makeSource, SOURCES } from "/sources.js";

const KEYS = { "/freeze": "F", "/blackout": "B" };

const staged = new Map(); // address -> value that waits for Apply
let declared = "";

// Build the controls from the declaration of the show.
export function declare(message) {
  const now = JSON.stringify(message);
  if (now === declared) return; // the server restarted: unfinished typing stays
  declared = now;
  for (const place of document.querySelectorAll(".controls, [data-group] .buttons, #preset-actions")) place.replaceChildren();
  for (const known of [actions, controls, parameters, values]) known.clear();
  discard();
  for (const [scheme, name] of Object.entries(message.schemes)) schemes.set(scheme, name);
  for (const action of message.actions) actions.set(action.address, action);
  for (const parameter of message.declaration) {
    parameters.set(parameter.address, parameter);
    if (parameter.address !== "/preset") place(parameter); // the preset has the buttons of presets.js
  }
  placePanic();
  placeTempo();
  placePresetActions();
}

function place(parameter) {
  const { address, effect, group, kind } = parameter;
  const rebuild = effect === "rebuild";
  const change = (value, how) => (rebuild ? stage(address, value) : set(address, value, how));
  const control = SOURCES.includes(address) ? makeSource(parameter)
    : makeControl(parameter, change, { staged: rebuild });
  const show = control.show;
  if (rebuild) control.show = (value) => { if (!staged.has(address)) show(value); };
  controls.set(address, control);
  const panel = document.querySelector(`[data-group="${group}"]`) ?? addPanel(group);
  const button = group === "output" && kind === "bool";
  if (button) {
    control.element.classList.add("big");
    if (KEYS[address]) control.element.append(element("kbd", {}, KEYS[address]));
  }
  panel.querySelector(button ? ".buttons" : ".controls").append(control.element);
}

// Make a panel for a group that the page has none for.
function addPanel(group) {
  const panel = element("section", { class: "panel", "data-group": group, "aria-label": group },
    element("h2", {}, group), element("div", { class: "controls" }));
  byId("creative").append(panel);
  return panel;
}

// Weights of empty prompts are dimmed. A phone hides the spare prompts: the empty ones after the first empty one.
function markEmptyPrompts() {
  const texts = [...values].filter(([address]) => /^\/prompt\/\d+\/text$/.test(address));
  texts.forEach(([address, text], place) => {
    const spare = place > 1 && !text && !texts[place - 1][1];
    const weight = address.replace("text", "weight");
    for (const part of [address, weight]) controls.get(part)?.element.classList.toggle("spare", spare);
    controls.get(weight)?.element.classList.toggle("unused", !text);
  });
}

// Faders of a ControlNet that is not loaded are dimmed, and thresholds of edges where none are drawn.
function markControlNet() {
  const loaded = Boolean(values.get("/controlnet"));
  const canny = loaded && values.get("/controlnet_preprocessor") === "canny";
  for (const [address, used] of [["/controlnet_scale", loaded], ["/canny_low", canny], ["/canny_high", canny]]) {
    controls.get(address)?.element.classList.toggle("unused", !used);
  }
}

// Controls of an IP-Adapter that is not loaded are dimmed, and its scale without an image.
function markIpAdapter() {
  const loaded = Boolean(values.get("/ip_adapter"));
  const shown = loaded && Boolean(values.get("/ip_adapter_image"));
  for (const [address, used] of [["/ip_adapter_image", loaded], ["/ip_adapter_scale", shown]]) {
    controls.get(address)?.element.classList.toggle("unused", !used);
  }
}

// Weights of LoRAs that are not loaded are dimmed.
function markEmptyLoras() {
  for (const address of controls.keys()) {
    const file = address.match(/^(\/lora\d+)_weight$/)?.[1];
    if (file) controls.get(address).element.classList.toggle("unused", !values.get(file));
  }
}

function placePanic() {
  const panic = actions.get("/panic");
  if (!panic) return;
  byId("output").querySelector(".buttons").append(element("button",
    { type: "button", class: "big panic", title: panic.description, onclick: () => act("/panic") },
    "panic", element("kbd", {}, "⇧P")));
}

function placeTempo() {
  const keys = { "/tap": [element("kbd", {}, "T")] };
  for (const [address, name] of [["/tap", "tap"], ["/resync", "resync"]]) {
    const action = actions.get(address);
    if (action) byId("lfo").querySelector(".buttons").append(element("button",
      { type: "button", title: action.description, onclick: () => act(address) }, name, ...(keys[address] ?? [])));
  }
  for (const [address, { description }] of actions) {
    const place = address.match(/^\/lfo\/(\d+)\/trigger$/)?.[1];
    if (place) byId("lfo").querySelector(".buttons").append(element("button",
      { type: "button", class: "unused", "data-trigger": place, title: description, onclick: () => act(address) }, `trigger ${place}`));
  }
}

// LFOs without a target show no other setting, and envelopes alone show their attack, their start and a button.
const PERIODIC = ["period", "timing", "phase"], OF_ENVELOPES = ["attack", "start"];
const SOUNDS = ["level", "bass", "mid", "treble", "onset"];

function markUnusedLfos() {
  const isUnused = (place, part) => {
    const shape = values.get(`/lfo/${place}/shape`);
    return values.get(`/lfo/${place}/target`) === "none" || (OF_ENVELOPES.includes(part) && shape !== "envelope")
      || (PERIODIC.includes(part) && SOUNDS.includes(shape));
  };
  for (const [address, control] of controls) {
    const [, place, part] = address.match(/^\/lfo\/(\d+)\/(\w+)$/) ?? [];
    if (place && part !== "target") control.element.classList.toggle("unused", isUnused(place, part));
  }
  for (const button of byId("lfo").querySelectorAll("[data-trigger]")) {
    button.classList.toggle("unused", isUnused(button.dataset.trigger, "start"));
  }
}

// ---- values that start a new renderer wait for Apply ----

function stage(address, value) {
  if (values.get(address) === value) staged.delete(address);
  else staged.set(address, value);
  controls.get(address).element.classList.toggle("staged", staged.has(address));
  byId("apply").hidden = staged.size === 0;
  return true;
}

function discard() {
  const addresses = [...staged.keys()];
  staged.clear();
  byId("apply").hidden = true;
  for (const address of addresses) {
    controls.get(address)?.element.classList.remove("staged");
    if (values.has(address)) controls.get(address)?.show(values.get(address));
  }
}

export function startPanels() {
  watchValues((address) => {
    if (address.startsWith("/prompt/")) markEmptyPrompts();
    if (address.startsWith("/lfo/")) markUnusedLfos();
    if (address.startsWith("/lora")) markEmptyLoras();
    if (address.startsWith("/c")) markControlNet();
    if (address.startsWith("/ip_adapter")) markIpAdapter();
  });
  byId("apply-now").onclick = () => {
    const changes = [...staged];
    if (changes.every(([address, value]) => set(address, value))) discard();
  };
  byId("apply-never").onclick = discard;
}
