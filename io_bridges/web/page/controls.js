// One control for each kind of parameter. Every maker returns {element, show(value), retry?(), append?(word)}. `show` displays the
// value of the show, except while a hand is on the control. `retry` is called when the connection is back.

import { element } from "/dom.js";

const TYPING_PAUSE = 500;   // ms without a keystroke after which a text is sent
const SETTLE_TIME = 300;    // ms after a hand lets go before the value of the show is displayed again
const WIDEST_FADER = 10000; // a wider range gets a number to type

// Name of a control: "strength", "prompt 2", "weight 2".
export function title(parameter) {
  const [, key, place, part] = parameter.address.split("/"); // "/strength", "/prompt/2/text", "/prompt/2/weight"
  const words = place ? [part === "text" ? key : part, place] : [key];
  return words.join(" ").replaceAll("_", " ");
}

// Name as its panel shows it: without the name of the group, and with the unit.
function label(parameter) {
  const name = title(parameter), group = `${parameter.group.replaceAll("_", " ")} `;
  const short = name.startsWith(group) ? name.slice(group.length) : name;
  const unit = parameter.unit && !name.includes(parameter.unit) ? [element("small", {}, parameter.unit)] : [];
  return element("span", { class: "name" }, short, ...unit);
}

export function tooltip(parameter) {
  const range = parameter.minimum !== null && parameter.maximum !== null
    ? `${parameter.minimum} to ${parameter.maximum}${parameter.unit ? ` ${parameter.unit}` : ""}`
    : parameter.choices.join(", ");
  const normal = parameter.default === "" ? "" : `default ${parameter.default}`;
  return [parameter.description, [parameter.address, range, normal].filter(Boolean).join("  ·  ")].join("\n");
}

// `set(value, {settled})` sends a value and returns false without a connection. `settled` is false while a fader moves.
// A `staged` value starts a new renderer, so it gets no control that sends values on the way.
export function makeControl(parameter, set, { staged = false } = {}) {
  switch (parameter.kind) {
    case "bool": return toggle(parameter, set);
    case "choice": return parameter.choices.length <= 3 && !staged ? segments(parameter, set) : menu(parameter, set);
    case "text": return text(parameter, set, staged);
    default: {
      const span = parameter.maximum - parameter.minimum;
      const bounded = parameter.minimum !== null && parameter.maximum !== null;
      if (bounded && span <= WIDEST_FADER && !staged) return fader(parameter, set);
      return number(parameter, set, bounded && !staged);
    }
  }
}

function named(parameter, ...parts) {
  const { address, kind } = parameter;
  return element("div", { class: `control ${kind}`, title: tooltip(parameter), "data-address": address },
    label(parameter), ...parts);
}

function niceStep(parameter) {
  if (parameter.kind === "int") return parameter.multiple_of ?? 1;
  return 10 ** Math.floor(Math.log10((parameter.maximum - parameter.minimum) / 100));
}

// Return a value with as many places as a step of its slider has.
export function shown(parameter, value) {
  if (parameter.kind === "int") return String(value);
  const places = Math.max(0, -Math.floor(Math.log10(niceStep(parameter))));
  return Number(value).toFixed(Math.min(places, 4));
}

function numberBox(parameter, commit) {
  let dirty = false;
  const box = element("input", {
    type: "number", inputmode: "decimal", step: "any", "aria-label": title(parameter),
    oninput: () => { dirty = true; },
    onchange: () => {
      dirty = false;
      if (box.value !== "") commit(Number(box.value));
    },
    onkeydown: (event) => {
      const steps = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!steps || parameter.minimum === null) return;
      event.preventDefault();
      box.value = shown(parameter, Number(box.value) + steps * niceStep(parameter));
      commit(Number(box.value));
    },
  });
  return { box, show: (value) => { if (!dirty) box.value = shown(parameter, value); } };
}

function fader(parameter, set) {
  const { minimum, maximum } = parameter;
  let held = false, settling = 0, current = parameter.default;
  const number = numberBox(parameter, (value) => set(value, { settled: true }));
  const slider = element("input", {
    type: "range", min: minimum, max: maximum, step: niceStep(parameter), "aria-label": title(parameter),
    oninput: () => {
      hold();
      number.show(slider.value);
      fill();
      set(Number(slider.value), { settled: false });
    },
    onpointerdown: () => hold(true),
    onpointerup: () => release(),
    onpointercancel: () => release(),
    onchange: () => release(),
    ondblclick: () => {
      slider.value = parameter.default;
      number.show(parameter.default);
      fill();
      set(parameter.default, { settled: true });
    },
  });
  function fill() {
    slider.style.setProperty("--fill", `${(100 * (slider.value - minimum)) / (maximum - minimum)}%`);
  }
  function hold(pointer = false) {
    held = held || pointer;
    clearTimeout(settling);
    if (!held) release();
  }
  function release() {
    held = false;
    clearTimeout(settling);
    settling = setTimeout(() => { settling = 0; show(current); }, SETTLE_TIME);
  }
  function show(value) {
    current = value;
    if (held || settling) return;
    slider.value = value;
    number.show(value);
    fill();
  }
  return { element: named(parameter, slider, element("span", { class: "value" }, number.box)), show };
}

function number(parameter, set, dice) {
  const { box, show } = numberBox(parameter, (value) => set(value, { settled: true }));
  const parts = [box];
  if (dice) {
    const roll = () => {
      const span = parameter.maximum - parameter.minimum + 1;
      set(parameter.minimum + Math.floor(Math.random() * span), { settled: true });
    };
    parts.push(element("button", { type: "button", class: "dice", onclick: roll,
      title: `a random ${title(parameter)}`, "aria-label": `Random ${title(parameter)}` }, "⚄"));
  }
  return { element: named(parameter, element("span", { class: "value wide" }, ...parts)), show };
}

function toggle(parameter, set) {
  let value = parameter.default;
  const button = element("button", { type: "button", class: "toggle", title: tooltip(parameter),
    "data-address": parameter.address, onclick: () => set(!value, { settled: true }) }, title(parameter));
  return { element: button, show: (now) => { value = now; button.setAttribute("aria-pressed", String(now)); } };
}

function segments(parameter, set) {
  const buttons = parameter.choices.map((choice) => element("button",
    { type: "button", onclick: () => set(choice, { settled: true }) }, choice));
  const group = element("span", { class: "segments", role: "group", "aria-label": title(parameter) }, ...buttons);
  return {
    element: named(parameter, group),
    show: (value) => buttons.forEach((button, place) =>
      button.setAttribute("aria-pressed", String(parameter.choices[place] === value))),
  };
}

function menu(parameter, set) {
  const select = element("select", { "aria-label": title(parameter),
    onchange: () => set(select.value, { settled: true }) },
    ...parameter.choices.map((choice) => element("option", { value: choice }, choice)));
  return { element: named(parameter, select), show: (value) => { select.value = value; } };
}

function text(parameter, set, staged) {
  let dirty = false, pause = 0;
  const send = () => {
    clearTimeout(pause);
    // The show trims texts too. Trimmed here, a pause after a space does not remove the space while typing goes on.
    if (dirty && set(field.value.trim(), { settled: true })) dirty = false;
  };
  const long = parameter.address === "/prompt/1/text";
  const field = element(long ? "textarea" : "input", {
    type: long ? undefined : "text", rows: long ? 2 : undefined, autocomplete: "off", spellcheck: "false",
    maxlength: 1000, "aria-label": title(parameter),
    placeholder: long ? "words the picture is made from" : title(parameter),
    oninput: () => {
      dirty = true;
      clearTimeout(pause);
      if (!staged) pause = setTimeout(send, TYPING_PAUSE);
    },
    onchange: send,
    onkeydown: (event) => {
      if (event.key === "Enter" && !event.isComposing) {
        event.preventDefault();
        send();
      } else if (event.key === "Escape") field.blur();
    },
  });
  const show = (value) => {
    if (dirty || field.value.trim() === value) return;
    // A text that is selected whole is about to be typed over. Its replacement stays selected for the same reason.
    const whole = document.activeElement === field && field.selectionEnd - field.selectionStart === field.value.length;
    field.value = value;
    if (whole) field.select();
  };
  // Append a word after a comma, unless the text would be too long.
  const append = (word) => {
    const before = field.value.trim();
    const separator = before && (/[,;]$/.test(before) ? " " : ", ");
    if (before.length + separator.length + word.length > field.maxLength) return;
    field.value = `${before}${separator}${word}`;
    dirty = true;
    send();
  };
  return { element: named(parameter, field), show, retry: send, append };
}
