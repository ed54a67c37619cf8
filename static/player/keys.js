// Keyboard shortcuts of a page and the dialog that lists them, which `?` opens.

import { gettext } from "../js/translation.js";
import { keyName, keyTable } from "./key_table.js";

/** @import { KeyBinding } from "./key_table.js" */

/**
 * Bind the keys of this page: called once, with all of them.
 * @param {KeyBinding[]} bindings
 * @throws {Error} if a key is bound twice
 */
export const bindKeys = (bindings) => {
  /** @type {HTMLDialogElement | null} */
  let dialog = null;
  const help = () => {
    dialog ??= helpDialog(all);
    if (dialog.open) dialog.close();
    else dialog.showModal();
  };
  const all = [
    ...bindings,
    { keys: ["?"], label: "?", description: gettext("this list"), action: help },
  ];
  const table = keyTable(all);
  for (const button of document.querySelectorAll("[data-act=help]")) {
    button.addEventListener("click", help);
  }
  document.addEventListener("keydown", (event) => {
    const key = keyName(event);
    const action = table.get(key)?.action;
    if (!action || isForBrowser(event, key)) return;
    if (dialog?.open && key !== "?") return;
    if (action(event) !== false) event.preventDefault();
  });
};

/**
 * Whether a key press belongs to the focused element, or is a shortcut of the browser.
 * @param {KeyboardEvent} event
 * @param {string} key
 */
const isForBrowser = (event, key) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  const focus = /** @type {Element} */ (event.target);
  const field = focus.closest("input, textarea, select");
  const isChoice = field instanceof HTMLInputElement && /^(checkbox|radio)$/.test(field.type);
  if (field && !isChoice && key !== "escape") return true;
  if ((key === " " || key === "enter") && focus.closest("button, a, summary, input")) return true;
  return key.startsWith("arrow") && focus.closest(".scroll, .tw") !== null;
};

/** @param {KeyBinding[]} bindings */
export const helpDialog = (bindings) => {
  const dialog = document.createElement("dialog");
  dialog.className = "help";
  dialog.setAttribute("aria-label", gettext("Keys"));
  const title = document.createElement("h2");
  title.textContent = gettext("Keys");
  const list = document.createElement("dl");
  for (const { label, description } of bindings) {
    if (!description) continue;
    const term = document.createElement("dt");
    for (const [index, key] of label.split(" ").entries()) {
      if (index) term.append(" ");
      const part = document.createElement("kbd");
      part.textContent = key;
      term.append(part);
    }
    const meaning = document.createElement("dd");
    meaning.textContent = description;
    list.append(term, meaning);
  }
  const form = document.createElement("form");
  form.method = "dialog";
  const button = document.createElement("button");
  button.className = "btn";
  button.textContent = gettext("Close");
  form.append(button);
  dialog.append(title, list, form);
  document.body.append(dialog);
  return dialog;
};
