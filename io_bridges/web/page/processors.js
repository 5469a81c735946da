// Processors: the names that there are, and the numbers of those in use by the names that their files give them.

import { byId, element, showText } from "/dom.js";
import { controls, values } from "/show.js";

let names = "";

export function showProcessors(processors) {
  const known = processors?.known ?? {}, used = processors?.used ?? [];
  listNames(Object.keys(known));
  for (const [address, control] of controls) {
    const [, place, part] = address.match(/^\/processor\/(\d+)\/(\w+)$/) ?? [];
    if (part === "name") control.element.querySelector("input").setAttribute("list", "processor-names");
    else if (place) showPart(address, control, part, known[values.get(`/processor/${place}/name`)]);
  }
  showText(byId("processor-folder"), [...used.map(sentence), ...(names ? [] : ["The folder of processors is empty."])].join(" "));
}

function listNames(found) {
  if (names === found.join()) return;
  names = found.join();
  byId("processor-names").replaceChildren(...found.map((name) => element("option", { value: name })));
}

// A place without a processor shows its name alone, and a processor only the numbers that it has.
function showPart(address, control, part, processor) {
  const number = processor?.numbers[Number(part.replace("value", "")) - 1];
  control.element.classList.toggle("unused", part === "active" ? !processor : !number);
  if (!number) return;
  showText(control.element.querySelector(".name").firstChild, number.name); // what moves it is named behind
  control.element.title = `${number.about}\n${address}  ·  0 to 1 for ${number.minimum} to ${number.maximum}`;
}

function sentence({ name, moment, state, pictures, bypassed, ms, problem }) {
  const counts = `${pictures} pictures changed in ${ms} ms each, ${bypassed} passed by.`;
  return `${name} (${moment}): ${problem || state}. ${counts}`;
}
