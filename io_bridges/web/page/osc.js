// The OSC panel: every address with a line to copy, and the messages that came. It asks the show only while it is open.

import { byId, element, showText, toast } from "/dom.js";
import { values, watchValues } from "/show.js";

const PERIOD = 1000; // ms between two looks at the messages

let rows = [];        // {entry, article, value, code} of every address
let program = "";
let newest = -1;      // number of the newest message that is shown
let timer = 0;

const isOpen = () => byId("osc").open;

async function ask(path) {
  const reply = await fetch(path);
  if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
  return reply.json();
}

// ---- addresses ----

const rangeOf = ({ minimum, maximum, multiple_of: step, choices, unit }) => [
  typeof minimum === "number" && typeof maximum === "number" ? `${minimum} to ${maximum}` : "",
  step > 1 ? `in steps of ${step}` : "", unit, (choices ?? []).join(", "),
].filter(Boolean).join(" · ");

// The same control by its share of its range, and by a change of its value.
const twinsOf = ({ address, twins }) => (twins?.length
  ? `; also ${twins.map((twin) => twin.replace(address, "…")).join(" and ")}` : "");

function makeRow(entry) {
  const value = element("span");
  const code = element("code");
  const copy = element("button", { type: "button", onclick: () => copyText(code.textContent) }, "Copy");
  const article = element("article", { "data-osc": entry.address, "aria-label": entry.address },
    element("strong", {}, entry.address), " ", element("span", {}, [entry.type, rangeOf(entry)].filter(Boolean).join(" · ")), " ",
    value, element("p", { class: "quiet" }, entry.description + twinsOf(entry)), element("div", {}, code, copy));
  return { entry, article, value, code };
}

function showValue({ entry, value }) {
  if (!values.has(entry.address)) return;
  const [now, usual] = [values.get(entry.address), entry.default].map((each) => (each === "" ? "empty" : String(each)));
  showText(value, now === usual ? `= ${now}` : `= ${now} (default ${usual})`);
}

function showLines() {
  for (const { entry, code } of rows) showText(code, entry.snippets[program] ?? "");
}

function search() {
  const words = byId("osc-search").value.trim().toLowerCase().split(/\s+/);
  for (const { entry, article } of rows) {
    const text = `${entry.address} ${entry.group} ${entry.description}`.toLowerCase();
    article.hidden = !words.every((word) => text.includes(word));
  }
}

function showReference({ addresses, send_to: sendTo, messages }) {
  showText(byId("osc-send-to"), sendTo.advice);
  const programs = Object.keys(addresses[0]?.snippets ?? {});
  if (!programs.includes(program)) program = programs[0] ?? "";
  byId("osc-program").replaceChildren(...programs.map((name) => element("option", { selected: name === program }, name)));
  rows = addresses.map(makeRow);
  byId("osc-addresses").replaceChildren(...rows.map(({ article }) => article));
  rows.forEach(showValue);
  showLines();
  search();
  showMessages(messages);
}

// The clipboard of a browser is there on secure pages only, which a page of another machine is not.
async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      toast("Copied");
      return;
    } catch { /* refused: the other way */ }
  }
  const field = element("textarea", { "aria-label": "text to copy" });
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  toast(copied ? "Copied" : "Not copied: select the line and copy it by hand", !copied);
}

// ---- messages ----

const clock = (seconds) => new Date(1000 * seconds).toTimeString().slice(0, 8);

function makeMessage({ time, sender, address, arguments: sent, taken, note }) {
  const outcome = taken ? note : `refused: ${note}`;
  return element("li", { class: taken ? "" : "bad" }, element("small", {}, `${clock(time)} ${sender}`), " ",
    [address, ...sent.map((each) => (typeof each === "string" ? `"${each}"` : String(each)))].filter(Boolean).join(" "),
    ...(outcome ? [" ", element("small", {}, outcome)] : []));
}

function showMessages(messages) {
  const last = messages.at(-1)?.number ?? -1;
  const list = byId("osc-messages");
  if (last === newest && list.childElementCount) return; // a text that is selected stays
  newest = last;
  list.replaceChildren(...(messages.length ? [...messages].reverse().map(makeMessage)
    : [element("li", {}, "No message has come by OSC.")]));
}

async function look(path, show) {
  clearTimeout(timer);
  try {
    show(await ask(path));
  } catch {
    showText(byId("osc-send-to"), "The show does not answer.");
    rows = []; // it may be another show that comes back
  }
  clearTimeout(timer);
  if (isOpen()) timer = setTimeout(() => look(rows.length ? "/api/osc/messages" : "/api/osc",
    rows.length ? ({ messages }) => showMessages(messages) : showReference), PERIOD);
}

export function startOsc() {
  byId("osc").ontoggle = () => {
    clearTimeout(timer);
    if (isOpen()) look("/api/osc", showReference);
  };
  byId("osc-search").oninput = search;
  byId("osc-search").onkeydown = (event) => { if (event.key === "Escape") { byId("osc-search").value = ""; search(); } };
  byId("osc-program").onchange = () => { program = byId("osc-program").value; showLines(); };
  watchValues((address) => {
    if (isOpen()) rows.filter(({ entry }) => entry.address === address).forEach(showValue);
  });
}
