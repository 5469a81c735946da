// Elements and toasts.

const MOST_TOASTS = 4;
const TOAST_TIME = 5000; // ms

export const byId = (id) => document.getElementById(id);

// Make an element. Attributes: "on…" adds a listener, a boolean sets or omits the attribute, undefined omits it.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") made.toggleAttribute(name, value);
    else if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Replace the children of an element only if the text changes, so that screen readers and the focus are left alone.
export function showText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function toast(text, bad = false) {
  const same = [...byId("toasts").children].find((entry) => entry.textContent === text);
  same?.remove();
  const entry = element("p", { class: bad ? "bad" : "" }, text);
  byId("toasts").append(entry);
  while (byId("toasts").childElementCount > MOST_TOASTS) byId("toasts").firstChild.remove();
  setTimeout(() => entry.remove(), TOAST_TIME);
}
