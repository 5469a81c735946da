// Sinks that are added, removed and opened again while the show plays: a field for an address with a chooser, buttons for
// each sink.

import { byId, element, showText } from "/dom.js";
import { act } from "/show.js";

let asked = "";
let opening = "";
let outcome = { text: "", bad: false };

// Make a button for a sink of the status. No other sink ever has its number.
const makeButton = (name, word, title) => ({ number, uri }) => element("button", {
  type: "button", class: name, title, "aria-label": `${word.toLowerCase()} ${uri}`,
  onclick: () => act(`/sink/${word.toLowerCase()}`, number),
}, word);
export const makeRemove = makeButton("remove", "Remove", "remove this sink");
export const makeOpen = makeButton("reopen", "Open", "open this sink again");

// Show the outcome of adding, opening or removing a sink. Returns false for the reply to anything else.
export function showSinkReply({ accepted, address, note }) {
  if (!["/sink/add", "/sink/open", "/sink/remove"].includes(address)) return false;
  outcome = { text: note, bad: !accepted };
  const field = byId("sink-uri");
  if (address === "/sink/add" && accepted && field.value.trim() === asked) field.value = ""; // a refused one stays
  showOutcome();
  return true;
}

export function showOpeningSinks(uris) {
  opening = Array.isArray(uris) ? uris.join(", ") : "";
  showOutcome();
}

// Show a button for each kind of sink: {title, template, hint, problem}. It puts the template into the field.
export function showSinkKinds(kinds) {
  byId("sink-list").replaceChildren(...kinds.map(({ title, template, hint, problem }) => element("button",
    { type: "button", disabled: Boolean(problem), onclick: () => fillIn(template) },
    element("strong", {}, title), " ", element("code", {}, template), element("small", {}, problem || hint))));
}

// The place after the colon is selected, to be typed over.
function fillIn(template) {
  const field = byId("sink-uri"), options = template.indexOf("?");
  field.value = template;
  field.focus();
  field.setSelectionRange(template.indexOf(":") + 1, options < 0 ? template.length : options);
}

function showOutcome() {
  showText(byId("sink-opening"), opening ? `Opening ${opening} …` : "");
  showText(byId("sink-outcome"), outcome.text);
  byId("sink-outcome").classList.toggle("bad", outcome.bad);
}

export function startSinks() {
  const field = byId("sink-uri");
  field.onkeydown = (event) => { if (event.key === "Escape") field.value = ""; };
  byId("add-sink").onsubmit = (event) => {
    event.preventDefault();
    const uri = field.value.trim();
    if (!uri || !act("/sink/add", uri)) return;
    asked = uri;
    outcome = { text: "", bad: false };
    showOutcome();
  };
}
