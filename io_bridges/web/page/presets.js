// The presets: load one, save one, confirm the replacement of a shipped one, undo.

import { byId, element } from "/dom.js";
import { act, actions, parameters, set, values, watchValues } from "/show.js";

const KEYS = 9;             // presets with a number key
const ANSWER_TIME = 10_000; // ms in which the show takes the same /save as a confirmation
const UNDO_TIME = 30_000;   // ms for which the page offers to undo

let names = [];
let looks = {};             // version of each preset's picture, by name
let hideTimer = 0, askedTimer = 0;

// Show one button per preset, in the order of the show. That order keeps the number keys when a preset is added.
export function showPresets(now) {
  if (now.join("\n") === names.join("\n") && byId("preset-list").childElementCount === now.length) return;
  names = now;
  const { description } = parameters.get("/preset") ?? { description: "" };
  byId("preset-list").replaceChildren(...names.map((name, place) => element("button",
    { type: "button", class: "preset", title: description, "data-preset": name, onclick: () => set("/preset", name) },
    element("img", { alt: "", loading: "lazy", decoding: "async" }), name.replaceAll(/[-_]/g, " "), ...(place < KEYS ? [element("kbd", {}, String(place + 1))] : []))));
  markLoaded();
  showLooks(looks);
}

// Show the picture of each preset that has one; the others keep their place.
export function showLooks(now) {
  looks = now;
  for (const button of byId("preset-list").children) {
    const { preset } = button.dataset, picture = button.querySelector("img");
    const address = looks[preset] && `/looks/${encodeURIComponent(preset)}.jpg?v=${looks[preset]}`;
    if (!address) picture.removeAttribute("src");
    else if (picture.getAttribute("src") !== address) picture.src = address;
  }
}

export function loadByKey(key) {
  const name = key >= "1" && key <= String(KEYS) && names[key - 1];
  return Boolean(name) && set("/preset", name);
}

function markLoaded() {
  for (const button of byId("preset-list").children) {
    button.setAttribute("aria-pressed", String(button.dataset.preset === values.get("/preset")));
  }
}

// ---- saving: the show refuses to replace a shipped preset until it gets the same request again ----

let request = null; // the newest save: {name, confirmed}
let asked = "";     // name for which the show takes the next request as a confirmation

function save(name, confirmed = false) {
  request = { name, confirmed };
  byId("save-outcome").hidden = true;
  return act("/save", name);
}

function askToReplace(name) {
  showOutcome(`“${name}” is a shipped preset. Replace it?`, ANSWER_TIME,
    ["Replace", () => save(name, true)], ["Cancel", () => {}]);
}

// Show the outcome of a save. Returns true if there is nothing left to report.
export function showSaveReply(reply) {
  if (reply.address === "/undo_save") byId("save-outcome").hidden = true;
  if (reply.address !== "/save" || !request) return false;
  const { name, confirmed } = request;
  clearTimeout(askedTimer);
  asked = reply.confirm ? name : "";
  if (asked) askedTimer = setTimeout(() => { asked = ""; }, ANSWER_TIME);
  if (reply.accepted) showOutcome(`Saved as “${name}”.`, UNDO_TIME, ["Undo", () => act("/undo_save")]);
  else if (!reply.confirm) return false;
  else if (confirmed) save(name); // the answer came too late for the show, but the performer gave it
  else askToReplace(name);
  return true;
}

function showOutcome(text, time, ...choices) {
  const outcome = byId("save-outcome");
  const hide = () => { outcome.hidden = true; };
  outcome.replaceChildren(element("span", {}, text), ...choices.map(([label, run]) =>
    element("button", { type: "button", onclick: () => { hide(); run(); } }, label)));
  outcome.hidden = false;
  clearTimeout(hideTimer);
  hideTimer = setTimeout(hide, time);
}

export function startPresets() {
  watchValues((address) => { if (address === "/preset") markLoaded(); });
  byId("save").onsubmit = (event) => {
    event.preventDefault();
    const field = byId("save-name");
    const name = field.value.trim();
    if (name && name === asked) askToReplace(name); // cancelled before: the show would take a request as the answer
    else if (name && !save(name)) return;
    field.value = "";
    field.blur();
  };
}

// Place the buttons of the actions on presets.
export function placePresetActions() {
  byId("save").hidden = !actions.has("/save");
  for (const address of ["/previous", "/next"]) {
    const action = actions.get(address);
    if (action) byId("preset-actions").append(element("button", { type: "button", title: action.description,
      onclick: () => act(address) }, address.slice(1)));
  }
}
