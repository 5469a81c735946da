// The show: its values as the page knows them, and the WebSockets, which reconnect by themselves.

import { toast } from "/dom.js";

const FIRST_WAIT = 250;  // ms before the first attempt to reconnect
const LONGEST_WAIT = 2500;
const SILENCE = 4000;    // ms without a message after which the connection counts as lost; the status comes every 500
const FADER_PERIOD = 33; // ms between two values of a moving fader

// ---- values ----

export const parameters = new Map(); // address -> declaration
export const actions = new Map();    // address -> declaration
export const schemes = new Map();    // scheme of a source or a sink -> its name for people
export const values = new Map();     // address -> value
export const controls = new Map();   // address -> control, see controls.js

const watchers = [];

// Call `changed(address, value)` for every value that arrives.
export function watchValues(changed) {
  watchers.push(changed);
}

export function take(address, value) {
  values.set(address, value);
  controls.get(address)?.show(value);
  for (const changed of watchers) changed(address, value);
}

// ---- sockets ----

// Return a new WebSocket of the show.
export const socketTo = (path) => new WebSocket(`ws://${location.host}${path}`);

// Connect, again and again. Return a function that ends it.
export function connect(path, { opened, message, lost, silence }) {
  let wait = FIRST_WAIT, watchdog = 0, timer = 0, socket = null;
  const open = () => {
    socket = socketTo(path);
    const alive = () => {
      clearTimeout(watchdog);
      if (silence) watchdog = setTimeout(() => socket.close(), silence);
    };
    socket.binaryType = "blob";
    socket.onopen = (event) => { wait = FIRST_WAIT; alive(); opened?.(event.target); };
    socket.onmessage = (event) => { alive(); message(event.data, event.target); };
    socket.onclose = () => {
      clearTimeout(watchdog);
      lost?.();
      timer = setTimeout(open, wait);
      wait = Math.min(wait * 1.7, LONGEST_WAIT);
    };
  };
  open();
  return () => {
    clearTimeout(timer);
    clearTimeout(watchdog);
    socket.onclose = null;
    socket.close();
  };
}

let showSocket = null;

// Connect to the show. `message` gets each message as an object, `lost` is called when the connection ends.
export function connectShow({ message, lost }) {
  connect("/ws", {
    silence: SILENCE,
    opened: (socket) => { showSocket = socket; },
    message: (data) => message(JSON.parse(data)),
    lost: () => {
      showSocket = null;
      outbox.clear();
      lost();
    },
  });
}

// ---- changes ----

function send(message) {
  const connected = showSocket?.readyState === WebSocket.OPEN;
  if (connected) showSocket.send(JSON.stringify(message));
  else toast("Not sent: there is no connection", true);
  return connected;
}

// Newest value of each fader in motion.
const outbox = new Map();
let flushTimer = 0;

function flush() {
  flushTimer = 0;
  for (const [address, value] of outbox) send({ set: address, value });
  outbox.clear();
}

// Set a parameter. Returns false without a connection. A value that is not settled waits for the next flush.
export function set(address, value, { settled = true } = {}) {
  if (settled) {
    outbox.delete(address);
    return send({ set: address, value });
  }
  outbox.set(address, value);
  flushTimer ||= setTimeout(flush, FADER_PERIOD);
  return true;
}

// Ask for the sources that can be opened now. The show answers with {"found": …} after some seconds.
export function findSources() {
  return send({ find: "sources" });
}

export function act(address, value) {
  return send(value === undefined ? { do: address } : { do: address, value });
}
