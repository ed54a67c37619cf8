// People of a video by keyboard: two keys a correction. Forms do the work, so it works without.

import { fill, gettext } from "../js/translation.js";

const rows = () =>
  /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".people > li[data-person]")]);
const HINTS = new Map([
  ["m", gettext("Same as which one beside it? Press its digit.")],
  ["s", gettext("From which image on is it somebody else? Press its digit.")],
  ["x", gettext("Press X again: not a person.")],
]);
let chosen = 0;
let prefix = "";

/** @param {string} text */
const notify = (text) => {
  const place = document.getElementById("people-hint");
  if (place) place.textContent = text;
};

/** @param {string} key */
const hint = (key) => {
  const name = rows()[chosen]?.dataset.class;
  if (key !== "x" || !name) return HINTS.get(key) ?? "";
  return fill(gettext("Press X again: no %(class)s."), { class: name });
};

/** @param {number} place */
const choose = (place) => {
  const all = rows();
  if (!all.length) return;
  chosen = Math.max(0, Math.min(place, all.length - 1));
  all[chosen].focus({ preventScroll: true });
  all[chosen].scrollIntoView({ block: "nearest" });
};

/** @param {string} selector in the chosen row */
const press = (selector) => {
  const found = rows()[chosen]?.querySelector(selector);
  if (found instanceof HTMLButtonElement) found.click();
  else notify(gettext("There is none of that number."));
};

/** @param {string} key */
const second = (key) => {
  const first = prefix;
  prefix = "";
  notify("");
  if (first === "x" && key === "x") press("[data-drop]");
  else if (first === "m" && /^[1-9]$/.test(key)) press(`[data-merge="${key}"] button`);
  else if (first === "s" && /^[1-9]$/.test(key)) press(`[data-split="${key}"] button`);
  else return false;
  return true;
};

const rename = () => {
  const field = rows()[chosen]?.querySelector("[data-name]");
  const more = field?.closest("details");
  if (more) more.open = true;
  if (field instanceof HTMLInputElement) field.focus();
};

/** @type {Record<string, () => void>} */
const ACTS = {
  j: () => choose(chosen + 1),
  k: () => choose(chosen - 1),
  c: () => press("[data-check]"),
  u: () =>
    /** @type {HTMLButtonElement | null} */ (document.querySelector("#undo button"))?.click(),
  r: rename,
};

document.addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.closest("input, textarea, select, dialog")) return;
  const row = target.closest(".people > li[data-person]");
  if (row) chosen = rows().indexOf(/** @type {HTMLElement} */ (row));
  const key = event.key.toLowerCase();
  if (prefix ? second(key) : false) event.preventDefault();
  else if (HINTS.has(key)) {
    prefix = key;
    notify(hint(key));
    event.preventDefault();
  } else if (ACTS[key]) {
    ACTS[key]();
    event.preventDefault();
  }
});

const named = rows().findIndex((row) => `#${row.id}` === location.hash);
if (named >= 0) choose(named);
