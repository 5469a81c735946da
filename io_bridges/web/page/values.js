// The declaration and the values of the show, as the page knows them.

export const parameters = new Map(); // address -> declaration
export const actions = new Map();    // address -> declaration
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
