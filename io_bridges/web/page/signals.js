// Inputs, outputs and controls in words: what is received, from where, and if it is well. Counters are folded away.

import { byId, element, showText } from "/dom.js";
import { showGroups } from "/rows.js";
import { schemes } from "/show.js";
import { makeOpen, makeRemove } from "/sinks.js";

const RECENT = 3000; // ms for which a control counts as receiving after its last message
const CONTROLS = { web: "Web page", osc: "OSC", midi: "MIDI", zmq: "ZeroMQ" };

export function showSignals(status) {
  const sinks = status.sinks?.filter((sink) => sink.kind !== "web"); // the page itself
  const outputs = (bridge) => outputRow(bridge, status.output_size);
  showGroups("signals", [["Input", status.sources?.slice(0, 1), inputRow],
    ["Second input", status.sources?.slice(1), inputRow], ["Output", sinks, outputs],
    ["Control", status.controls, controlRow]]
    .filter(([title, bridges]) => Array.isArray(bridges) && (bridges.length || title !== "Second input"))
    .map(([title, bridges, row]) => ({ title, rows: bridges.map((bridge) => row(bridge)) })));
  showText(byId("refusals"), status.refusals?.total ? refusalText(status.refusals) : "");
  if (byId("counters").open) showCounters(status);
}

// ---- one row, see rows.js; its level is good, idle, warning or error ----

function described(bridge) {
  const uri = String(bridge.uri ?? bridge.url ?? bridge.name ?? bridge.kind ?? "?");
  const [scheme, ...rest] = uri.split(":");
  const place = rest.join(":").replace(/^tcp:\/\//, "").replace(/\?.*$/, "");
  if (scheme === "file") return { name: place.split(/[\\/]/).pop(), place: "" };
  return { name: schemes.get(scheme) ?? scheme, place };
}

const rate = (bridge) => (bridge.fps > 0 ? `${Math.round(bridge.fps)} fps` : "");
const count = (number, word) => `${number || "no"} ${word}${number === 1 ? "" : "s"}`;
const joined = (...parts) => parts.filter(Boolean).join(" · ");

function inputRow(bridge) {
  const fault = bridge.failure || bridge.error;
  const state = fault || bridge.status || (bridge.open === false ? "opening" : "");
  const text = joined(state, !bridge.silent_s && rate(bridge),
    bridge.senders !== undefined && count(bridge.senders, "sender"));
  const idle = bridge.source === "none" || bridge.pictures === 0;
  const level = fault ? "error" : bridge.silent_s || bridge.ended ? "warning" : idle ? "idle" : "good";
  return { level, ...described(bridge), text };
}

// From the capture of a frame until the sink had its picture: the median, and what one in a hundred exceeds.
const latency = (bridge) => (Number.isFinite(bridge.latency_ms)
  ? `${Math.round(bridge.latency_ms)} ms (p99 ${Math.round(bridge.latency_p99_ms)})` : "");

function outputRow(bridge, outputSize) {
  const fault = bridge.failure || bridge.error;
  const sending = bridge.stopped || (bridge.open === false ? "opening" : `sending ${rate(bridge)}`.trim());
  const readers = bridge.readers !== undefined ? count(bridge.readers, "reader")
    : bridge.viewers !== undefined && count(bridge.viewers, "viewer");
  const idle = bridge.readers === 0 || bridge.viewers === 0;
  const level = fault ? "error" : bridge.stopped || bridge.open === false ? "warning" : idle ? "idle" : "good";
  const files = bridge.sink === "png" && count(bridge.pictures, "picture");
  const size = bridge.size && outputSize && bridge.size !== outputSize.join("x") && bridge.size.replace("x", "×");
  return {
    level, ...described(bridge), text: joined(fault || sending, size, readers, files, latency(bridge)),
    key: bridge.number, button: bridge.number ? () => makeRemove(bridge) : undefined,
    reopen: bridge.number && (fault || bridge.stopped) ? () => makeOpen(bridge) : undefined,
  };
}

const heard = new Map(); // name -> {total, at}

function controlRow(bridge) {
  const name = String(bridge.name ?? bridge.kind ?? "?");
  const place = String(bridge.address ?? bridge.url ?? "").replace(/^[a-z.+]+:\/\//, "").replace(/\/$/, "");
  const row = { name: CONTROLS[name] ?? name, place };
  if (bridge.alive === false) return { ...row, level: "error", text: "stopped" };
  if (bridge.pages !== undefined) return { ...row, level: "good", text: `${count(bridge.pages, "page")} open` };
  if (name === "link") return { name: "Ableton Link", place: "", level: bridge.peers ? "good" : "idle", text: count(bridge.peers, "peer") };
  const missing = (bridge.devices ?? []).filter((device) => device.state !== "open");
  if (missing.length) return { ...row, level: "warning", text: missing.map(({ note, state }) => note || state).join(" · ") };
  const total = bridge.messages ?? bridge.requests ?? 0;
  const last = heard.get(name) ?? { total, at: -Infinity };
  if (total !== last.total) last.at = performance.now();
  heard.set(name, { total, at: last.at });
  if (!total) return { ...row, level: "idle", text: "listening, no message yet" };
  const receiving = performance.now() - last.at < RECENT;
  return { ...row, level: "good", text: joined(receiving ? "receiving" : "listening", count(total, "message")) };
}

function refusalText(refusals) {
  const reason = Object.keys(refusals.by_reason ?? {}).pop();
  return `${count(refusals.total, "message")} refused${reason ? `; last: ${reason}` : ""}`;
}

// ---- counters ----

function showCounters(status) {
  const totals = Object.fromEntries(Object.entries({ ...status, ...status.renderer })
    .filter(([, value]) => typeof value === "number"));
  const parts = [["show", totals], ...["sources", "sinks", "controls"].flatMap((group) => (status[group] ?? [])
    .map((bridge) => [String(bridge.uri ?? bridge.name ?? bridge.kind ?? "?"), bridge]))];
  byId("counter-lists").replaceChildren(...parts.flatMap(([title, counters]) => [element("h4", {}, title),
    element("dl", {}, ...Object.entries(counters)
      .filter(([, value]) => ["number", "boolean"].includes(typeof value))
      .map(([key, value]) => element("div", {}, element("dt", {}, key.replaceAll("_", " ")),
        element("dd", {}, Number.isFinite(value) ? String(Math.round(value * 100) / 100) : String(value)))))]));
}
