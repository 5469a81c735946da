// The page: two sockets, the desk's values, and the controls that are built from its declaration.

import { element, makeControl } from "/controls.js";

const $ = (id) => document.getElementById(id);
const controls = new Map();   // address -> {element, show}
const values = new Map();     // address -> the desk's value
const parameters = new Map(); // address -> declaration
let actions = new Map();
const keep = { send: () => false };

// ---- sockets: they come back by themselves ------------------------------------------------------------------------

function connect(path, { opened, message, lost, silence }) {
  let wait = 250, watchdog = 0;
  const open = () => {
    const socket = new WebSocket(`ws://${location.host}${path}`);
    const heard = () => {
      clearTimeout(watchdog);
      if (silence) watchdog = setTimeout(() => socket.close(), silence);
    };
    socket.binaryType = "blob";
    socket.onopen = () => { wait = 250; heard(); opened?.(socket); };
    socket.onmessage = (event) => { heard(); message(event.data, socket); };
    socket.onclose = () => {
      clearTimeout(watchdog);
      lost?.();
      setTimeout(open, wait);
      wait = Math.min(wait * 1.7, 2500);
    };
  };
  open();
}

connect("/ws", {
  silence: 4000, // the status comes twice a second
  opened: (socket) => {
    keep.send = (message) => {
      if (socket.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(message));
      return true;
    };
  },
  message: (data) => {
    const message = JSON.parse(data);
    if (message.declaration) declare(message);
    if (message.values) {
      for (const [address, value] of Object.entries(message.values)) take(address, value);
      if (document.body.classList.contains("lost")) {
        document.body.classList.remove("lost");
        for (const control of controls.values()) control.retry?.();
      }
    }
    if (message.status) showStatus(message.status);
    if (message.answer) heed(message.answer);
    if (message.refused) toast(message.refused, true);
  },
  lost: () => {
    document.body.classList.add("lost");
    keep.send = () => false;
    outbox.clear();
  },
});

connect("/ws/picture", {
  message: async (blob, socket) => {
    try {
      const bitmap = await createImageBitmap(blob);
      // A hidden tab gets no animation frame, asks for no picture, and costs the show nothing.
      await new Promise(requestAnimationFrame);
      draw(bitmap);
    } finally {
      if (socket.readyState === WebSocket.OPEN) socket.send("next");
    }
  },
});

function draw(bitmap) {
  const canvas = $("picture");
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
  bitmap.close();
  $("waiting").hidden = true;
}

// ---- values -------------------------------------------------------------------------------------------------------

function take(address, value) {
  values.set(address, value);
  controls.get(address)?.show(value);
  if (address === "/preset") markLook();
  if (address === "/freeze" || address === "/blackout") markOutput();
}

function heed(answer) {
  if (answer.accepted && answer.value !== null) take(answer.address, answer.value);
  else if (values.has(answer.address)) take(answer.address, values.get(answer.address));
  if (answer.note) toast(`${answer.address.slice(0, 60)}: ${answer.note}`, !answer.accepted);
}

// A fader in motion sends its newest value 30 times a second at most.
const outbox = new Map();
let flushing = 0;

function flush() {
  flushing = 0;
  for (const [address, value] of outbox) send({ set: address, value });
  outbox.clear();
}

function set(address, value, { settled = true } = {}) {
  if (settled) {
    outbox.delete(address);
    return send({ set: address, value });
  }
  outbox.set(address, value);
  flushing ||= setTimeout(flush, 33);
  return true;
}

function act(address, value) {
  send(value === undefined ? { do: address } : { do: address, value });
}

function send(message) {
  const sent = keep.send(message);
  if (!sent) toast("not sent: there is no connection", true);
  return sent;
}

// ---- the page, built from the declaration -------------------------------------------------------------------------

const staged = new Map(); // rebuild parameters that wait for Apply

let declared = "";

function declare(message) {
  const now = JSON.stringify(message);
  if (now === declared) return; // a server that came back: what is being typed stays
  declared = now;
  actions = new Map(message.actions.map((action) => [action.address, action]));
  for (const place of document.querySelectorAll(".controls, .buttons, #look-actions")) place.replaceChildren();
  controls.clear();
  parameters.clear();
  values.clear();
  unstage();
  for (const parameter of message.declaration) {
    parameters.set(parameter.address, parameter);
    if (parameter.address !== "/preset") place(parameter);
  }
  placeActions();
}

function place(parameter) {
  const { address, effect, kind } = parameter;
  const rebuild = effect === "rebuild";
  const control = makeControl(parameter, (value, how) => (rebuild ? stage(address, value) : set(address, value, how)),
    { staged: rebuild });
  const show = control.show;
  if (rebuild) control.show = (value) => { if (!staged.has(address)) show(value); };
  controls.set(address, control);
  const where = { output: "output", conditioning: "words", rebuild: "rebuild" }[effect] ?? "frame";
  if (effect === "output" && kind === "bool") {
    const key = { "/freeze": "F", "/blackout": "B" }[address];
    control.element.classList.add("big");
    if (key) control.element.append(element("kbd", {}, key));
    $("output").querySelector(".buttons").append(control.element);
  } else $(where).querySelector(".controls").append(control.element);
}

function placeActions() {
  for (const action of actions.values()) {
    if (action.address === "/panic") {
      $("output").querySelector(".buttons").append(element("button",
        { type: "button", class: "big panic", title: action.description, onclick: () => act("/panic") },
        "panic", element("kbd", {}, "⇧P")));
    } else if (!action.argument) {
      const name = action.address.slice(1);
      $("look-actions").append(element("button", { type: "button", title: action.description,
        onclick: () => act(action.address) }, name));
    }
  }
  $("save").hidden = !actions.has("/save");
}

function stage(address, value) {
  if (values.get(address) === value) staged.delete(address);
  else staged.set(address, value);
  controls.get(address).element.classList.toggle("staged", staged.has(address));
  $("apply").hidden = staged.size === 0;
  return true;
}

function unstage() {
  const addresses = [...staged.keys()];
  staged.clear();
  $("apply").hidden = true;
  for (const address of addresses) {
    controls.get(address)?.element.classList.remove("staged");
    if (values.has(address)) controls.get(address)?.show(values.get(address));
  }
}

$("apply-now").onclick = () => {
  const changes = [...staged];
  if (changes.every(([address, value]) => set(address, value))) unstage();
};
$("apply-never").onclick = unstage;

$("save").onsubmit = (event) => {
  event.preventDefault();
  const name = $("save-name").value.trim();
  if (name) act("/save", name);
  $("save-name").value = "";
  $("save-name").blur();
};

// ---- status -------------------------------------------------------------------------------------------------------

let looks = [];

function showLooks(names) {
  if (names.join("\n") === looks.join("\n") && $("looks").childElementCount === names.length) return;
  looks = names;
  const { description } = parameters.get("/preset") ?? { description: "" };
  $("looks").replaceChildren(...names.map((name, place) => element("button",
    { type: "button", class: "look", title: description, "data-look": name, onclick: () => set("/preset", name) },
    name.replaceAll(/[-_]/g, " "), ...(place < 9 ? [element("kbd", {}, String(place + 1))] : []))));
  markLook();
}

function markLook() {
  for (const button of $("looks").children) {
    button.setAttribute("aria-pressed", String(button.dataset.look === values.get("/preset")));
  }
}

function markOutput() {
  const on = [["/freeze", "frozen"], ["/blackout", "blackout"]].filter(([address]) => values.get(address));
  $("chips").replaceChildren(...on.map(([, word]) => element("span", { class: word }, word)));
}

function figure(id, value, places) {
  $(id).textContent = typeof value === "number" ? value.toFixed(places) : "–";
}

function showStatus(status) {
  figure("fps", status.fps, 1);
  figure("output-fps", status.output_fps, 1);
  figure("latency", status.latency_ms, 0);
  figure("in-flight", status.renderer?.in_flight, 0);
  $("figures").querySelector(".pacing").textContent = status.renderer?.pacing ?? "";
  if (Array.isArray(status.looks)) showLooks(status.looks);
  showRenderer(status.renderer, status);
  showBridges(status);
}

function showRenderer(renderer, status) {
  $("renderer").hidden = !renderer?.phase;
  if (!renderer?.phase) {
    $("progress").hidden = true;
    return;
  }
  const playing = renderer.phase === "playing";
  const wanted = status.wanted ?? status.revision;
  const behind = wanted > (status.on_air?.revision ?? wanted);
  const { next } = renderer; // the one that will take over
  const coming = next?.phase ? `next ${next.phase}${next.fraction > 0 ? ` ${Math.round(100 * next.fraction)} %` : ""}` : "";
  $("renderer").dataset.phase = renderer.phase;
  $("renderer").classList.toggle("behind", playing && behind);
  // Said where it costs: an engine that takes one timestep is called once for each.
  const calls = playing && renderer.forward !== "one call a step" && renderer.forward;
  $("renderer").textContent = [renderer.phase, playing && renderer.model, playing && renderer.accelerator, calls,
    renderer.meanwhile || coming]
    .filter(Boolean).join("  ·  ");
  $("renderer").title = [renderer.text, renderer.why, renderer.restarts ? `started again ${renderer.restarts} times` : "",
    renderer.failure,
    behind ? "a change is on its way to the picture" : ""].filter(Boolean).join("\n");
  $("progress").hidden = playing;
  $("progress-text").textContent = renderer.text || renderer.phase;
  if (typeof renderer.fraction === "number" && renderer.fraction > 0) $("progress-bar").value = renderer.fraction;
  else $("progress-bar").removeAttribute("value");
}

function showBridges(status) {
  if (!$("connections").open) return;
  const groups = ["sources", "sinks", "controls"].filter((name) => Array.isArray(status[name]));
  const lists = groups.flatMap((name) => [
    element("h3", {}, name),
    element("ul", {}, ...status[name].map((bridge) => {
      const label = bridge.uri ?? bridge.url ?? bridge.name ?? bridge.kind ?? "?";
      const rest = Object.entries(bridge)
        .filter(([, value]) => value !== label && value !== "" && ["string", "number", "boolean"].includes(typeof value))
        .map(([key, value]) => `${key.replaceAll("_", " ")} ${Number.isFinite(value) ? Math.round(value * 10) / 10 : value}`);
      return element("li", { class: bridge.error ? "bad" : "" }, element("span", {}, String(label)),
        element("small", {}, rest.join("  ·  ")));
    }))]);
  const refused = status.refused ?? status.refusals?.total;
  if (refused) lists.push(element("p", { class: "quiet" }, `${refused} messages refused`));
  $("bridges").replaceChildren(...lists);
}

// ---- keys, full screen, toasts ------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === "Escape") document.activeElement?.blur();
  if (event.target.closest("input:not([type=range]), textarea, select")) return;
  const key = event.key.toLowerCase();
  if (event.shiftKey && key === "p") act("/panic");
  else if (event.shiftKey && key !== "/") return;
  else if (key === "f") set("/freeze", !values.get("/freeze"));
  else if (key === "b") set("/blackout", !values.get("/blackout"));
  else if (key >= "1" && key <= "9" && looks[key - 1]) set("/preset", looks[key - 1]);
  else if (key === "/") document.querySelector("#words textarea")?.select();
  else return;
  event.preventDefault();
});

function fullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else $("screen").requestFullscreen();
}
$("fullscreen").onclick = fullscreen;
$("picture").ondblclick = fullscreen;

const MOST_TOASTS = 4;

function toast(text, bad = false) {
  const same = [...$("toasts").children].find((entry) => entry.textContent === text);
  same?.remove();
  const entry = element("p", { class: bad ? "bad" : "" }, text);
  $("toasts").append(entry);
  while ($("toasts").childElementCount > MOST_TOASTS) $("toasts").firstChild.remove();
  setTimeout(() => entry.remove(), 5000);
}
