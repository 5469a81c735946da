// The sound that the show hears: its source, and a meter for each feature that an LFO can follow.

import { byId, element, showText } from "/dom.js";
import { act } from "/show.js";

export function showSound(sound) {
  byId("sound").hidden = !sound;
  if (!sound) return;
  byId("sound").dataset.level = sound.note ? "warning" : "good";
  showText(byId("sound-source"), sound.note || `sound: ${sound.name || sound.source}`);
  showMeters(sound.features ?? {});
}

export function showMeters(features) {
  const list = byId("sound-meters");
  for (const [name, value] of Object.entries(features)) {
    let meter = list.querySelector(`[data-feature="${name}"] meter`);
    if (!meter) {
      meter = element("meter", { min: 0, max: 1, "aria-label": name });
      list.append(element("label", { "data-feature": name }, name, meter));
    }
    meter.value = value;
  }
}

export function startSound() {
  byId("audio-input").onsubmit = (event) => {
    event.preventDefault();
    const field = byId("audio-name"), name = field.value.trim();
    if (!name || !act("/audio/input", name)) return;
    field.value = "";
    field.blur();
  };
}
