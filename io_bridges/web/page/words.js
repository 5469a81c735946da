// Words that the model knows, as buttons under the prompts, and how prompts with other words are drawn.

import { byId, element, showText } from "/dom.js";
import { controls } from "/show.js";

const FIRST = "/prompt/1/text";

let target = FIRST; // address of the prompt that a word is appended to

export const isPrompt = (address) => /^\/prompt(\/\d+\/text)?$|^\/negative_prompt$/.test(address);

// Show the words by kind. A model that takes any text has none.
export function showWords(words) {
  const kinds = Object.entries(words);
  byId("words").hidden = kinds.length === 0;
  byId("word-groups").replaceChildren(...kinds.map(([kind, phrases]) =>
    element("section", { "aria-label": kind }, element("h3", {}, kind),
      ...phrases.map((phrase) => element("button", { type: "button" }, phrase)))));
}

// Show how prompts are drawn, by address: "drawn as 'halftone fire': comic → halftone".
export function showDrawnAs(notes) {
  for (const [address, control] of controls) {
    if (!isPrompt(address)) continue;
    let line = control.element.querySelector(".drawn-as");
    if (!line && !notes[address]) continue;
    line ??= control.element.appendChild(element("p", { class: "drawn-as", role: "status" }));
    showText(line, notes[address] ?? "");
  }
}

export function startWords() {
  byId("prompts").addEventListener("focusin", (event) => {
    const address = event.target.closest(".control")?.dataset.address;
    if (address && isPrompt(address)) target = address;
  });
  byId("word-groups").addEventListener("click", (event) => {
    const word = event.target.closest("button")?.textContent;
    if (word) (controls.get(target) ?? controls.get(FIRST))?.append(word);
  });
}
