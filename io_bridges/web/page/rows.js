// Lists of bridges. A row stays the same element while its bridge is there: a button must not be replaced while it is
// pressed, nor lose the focus.

import { byId, element, showText } from "/dom.js";

// Show groups of rows: {title, rows: [{key, level, name, place, text, button, reopen}]}. `key` tells the rows of a
// group apart, `button` makes the button of a row once, `reopen` one that is there as long as it is given.
export function showGroups(place, groups) {
  groups.forEach(({ title, rows }, number) => {
    const id = `${place}-${title.toLowerCase()}`;
    if (!byId(id)) {
      byId(place).append(element("section", { id, "aria-label": title }, element("h3", {}, title),
        element("ul", { class: "rows" })));
    }
    const section = byId(id);
    if (byId(place).children[number] !== section) byId(place).insertBefore(section, byId(place).children[number]);
    showRows(section.querySelector("ul"), rows);
  });
  while (byId(place).childElementCount > groups.length) byId(place).lastElementChild.remove();
}

function showRows(list, rows) {
  const keys = rows.map(({ key }, place) => String(key ?? `row ${place}`));
  for (const entry of [...list.children]) if (!keys.includes(entry.dataset.key)) entry.remove();
  rows.forEach((row, place) => {
    let entry = [...list.children].find((each) => each.dataset.key === keys[place]);
    if (!entry) {
      entry = element("li", { "data-key": keys[place] }, element("strong"), element("small"),
        ...(row.button ? [row.button()] : []));
    }
    if (list.children[place] !== entry) list.insertBefore(entry, list.children[place] ?? null);
    fill(entry, row);
  });
}

function fill(entry, { level, name, place, text, reopen }) {
  const title = entry.querySelector("strong");
  entry.dataset.level = level;
  const open = entry.querySelector(".reopen");
  if (!reopen) open?.remove();
  else if (!open) entry.append(reopen());
  if (title.textContent !== (place ? `${name} ${place}` : name)) {
    title.replaceChildren(name, ...(place ? [" ", element("span", {}, place)] : []));
    title.title = place;
  }
  showText(entry.querySelector("small"), text);
}
