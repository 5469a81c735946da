// The sources: a field for the address of each, and those that can be opened now.

import { tooltip } from "/controls.js";
import { byId, element, showText } from "/dom.js";
import { findSources, set } from "/show.js";

const ALWAYS = ["card:", "none:"]; // need no search

let current = "";
let found = [];

export const SOURCES = ["/source", "/source2"];

// Make the control of a source. An address is sent when it is complete: each one opens a device or a port.
export function makeSource(parameter) {
  const { address } = parameter;
  const second = address !== SOURCES[0];
  const name = second ? "second source" : "source";
  let shown = "";
  let dirty = false;
  const field = element("input", {
    type: "text", autocomplete: "off", spellcheck: "false", maxlength: 1000, "aria-label": name,
    placeholder: second ? "none; file:logo.png, …" : "ndi:NAME, file:clip.mp4, …", list: "source-addresses",
    oninput: () => { dirty = true; },
    onkeydown: (event) => { if (event.key === "Escape") { dirty = false; field.value = shown; } },
  });
  const form = element("form", {
    class: "control text", title: tooltip(parameter), "data-address": address,
    onsubmit: (event) => {
      event.preventDefault();
      const uri = field.value.trim();
      if (uri || second) set(address, uri); // a refused address stays in the field
    },
  }, element("span", { class: "name" }, name), field, element("button", { type: "submit" }, "Play"));
  return {
    element: form,
    show: (value) => {
      shown = value;
      if (field.value.trim() === value) dirty = false;
      if (!dirty) field.value = value;
      if (!second) {
        current = value;
        showList();
      }
    },
  };
}

function showList() {
  const uris = [...ALWAYS, ...found];
  const list = byId("source-list");
  if ([...list.children].map((button) => button.textContent).join("\n") !== uris.join("\n")) {
    list.replaceChildren(...uris.map((uri) => element("button", { type: "button", onclick: () => set("/source", uri) }, uri)));
    byId("source-addresses").replaceChildren(...uris.map((uri) => element("option", { value: uri })));
  }
  for (const button of list.children) button.setAttribute("aria-pressed", String(button.textContent === current));
}

// Show the outcome of a search: {sources, failures}.
export function showFound({ sources, failures }) {
  found = sources;
  showList();
  const reasons = Object.entries(failures).map(([scheme, reason]) => `${scheme}: ${reason}`);
  const heard = found.some((uri) => !uri.startsWith("pattern:")); // patterns are always there
  showText(byId("source-search"), [heard ? "" : "No sender, camera or texture was found.", ...reasons]
    .filter(Boolean).join(" "));
  byId("search-again").disabled = false;
}

export function showOpening(uri) {
  showText(byId("source-opening"), uri ? `Opening ${uri} …` : "");
}

function search() {
  if (!findSources()) return;
  byId("search-again").disabled = true;
  showText(byId("source-search"), "Searching …");
}

export function startSources() {
  byId("sources").ontoggle = () => { if (byId("sources").open) search(); };
  byId("search-again").onclick = search;
}
