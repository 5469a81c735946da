// Sinks that are added and removed while the show plays: a field for an address, and a button for each sink.

import { byId, element, showText } from "/dom.js";
import { act } from "/show.js";

let asked = "";
let opening = "";
let outcome = { text: "", bad: false };

// Make the button that removes a sink of the status. No other sink ever has its number.
export function makeRemove({ number, uri }) {
  return element("button", {
    type: "button", class: "remove", title: "remove this sink", "aria-label": `remove ${uri}`,
    onclick: () => act("/sink/remove", number),
  }, "Remove");
}

// Show the outcome of adding or removing a sink. Returns false for the reply to anything else.
export function showSinkReply({ accepted, address, note }) {
  if (address !== "/sink/add" && address !== "/sink/remove") return false;
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
