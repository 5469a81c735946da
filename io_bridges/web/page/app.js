// The page of the show: messages go to the modules, keys to the show.

import { byId, toast } from "/dom.js";
import { showHistory, startHistory } from "/history.js";
import { startLog } from "/log.js";
import { showMidi, showMidiTargets, startMidi } from "/midi.js";
import { startOsc } from "/osc.js";
import { startModulation } from "/modulation.js";
import { declare, startPanels } from "/panels.js";
import { startPicture, toggleInput } from "/picture.js";
import { cueByKey, showCues, showTimecode, startCues } from "/cues.js";
import { loadByKey, showLooks, showPresets, showSaveReply, startPresets } from "/presets.js";
import { showProcessors } from "/processors.js";
import { showRecorded, startRecorded } from "/recorded.js";
import { act, connectShow, controls, set, take, values } from "/show.js";
import { showSignals } from "/signals.js";
import { showOpeningSinks, showSinkKinds, showSinkReply, startSinks } from "/sinks.js";
import { showFound, showOpening, startSources } from "/sources.js";
import { showMeters, showSound, startSound } from "/sound.js";
import { showStatus } from "/status.js";
import { isPrompt, showDrawnAs, showWords, startWords } from "/words.js";

function showConnected() {
  if (!document.body.classList.contains("lost")) return;
  document.body.classList.remove("lost");
  for (const control of controls.values()) control.retry?.();
}

function showReply(reply) {
  if (reply.pending) return; // the outcome follows
  if (reply.accepted && reply.value !== null) take(reply.address, reply.value);
  else if (values.has(reply.address)) take(reply.address, values.get(reply.address));
  if (reply.accepted && isPrompt(reply.address)) return; // the notice by the prompt says how it is drawn
  if (showSaveReply(reply) || showSinkReply(reply) || !reply.note) return;
  toast(`${reply.address.slice(0, 60)}: ${reply.note}`, !reply.accepted);
}

connectShow({
  message: (message) => {
    if (message.declaration) {
      declare(message);
      showMidiTargets();
      showSinkKinds(message.sinks);
    }
    if (message.values) {
      for (const [address, value] of Object.entries(message.values)) take(address, value);
      showConnected();
    }
    if (message.status) {
      showStatus(message.status);
      showSignals(message.status);
      showHistory(message.status);
      showCues(message.status.cues);
      showTimecode(message.status.controls ?? []);
      showRecorded(message.status);
      showProcessors(message.status.processors);
      showMidi(message.status);
      showSound(message.status.sound);
      showDrawnAs(message.status.drawn_as ?? {});
      showOpening(message.status.opening_source);
      showOpeningSinks(message.status.opening_sinks);
      if (Array.isArray(message.status.presets)) showPresets(message.status.presets);
    }
    if (message.looks) showLooks(message.looks);
    if (message.meters) showMeters(message.meters);
    if (message.words) showWords(message.words);
    if (message.found) showFound(message.found);
    if (message.answer) showReply(message.answer);
    if (message.refused) toast(message.refused, true);
  },
  lost: () => document.body.classList.add("lost"),
});

// Space presses a button that was reached by the keyboard. One that was clicked has the focus by chance: Space is Go.
let pointed = false;
document.addEventListener("pointerdown", () => { pointed = true; }, true);

document.addEventListener("keydown", (event) => {
  if (event.key === "Tab") pointed = false;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === "Escape") document.activeElement?.blur();
  if (event.target.closest("input:not([type=range]), textarea, select")) return;
  const key = event.key.toLowerCase();
  if (event.shiftKey && key === "p") act("/panic");
  else if (event.shiftKey && key !== "/") return;
  else if (key === "f") set("/freeze", !values.get("/freeze"));
  else if (key === "b") set("/blackout", !values.get("/blackout"));
  else if (key === "t") act("/tap");
  else if (key === "i") toggleInput();
  else if (key === "/") byId("prompts").querySelector("textarea")?.select();
  else if (key === " " && !pointed && event.target.closest("button, summary, a")) return;
  else if (cueByKey(key)) document.activeElement?.blur();
  else if (!loadByKey(key)) return;
  event.preventDefault();
});

startHistory();
startLog();
startMidi();
startModulation();
startOsc();
startPanels();
startCues();
startRecorded();
startPresets();
startPicture();
startSinks();
startSound();
startSources();
startWords();
