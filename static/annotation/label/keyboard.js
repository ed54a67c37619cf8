// The keyboard of the label page: bound by position, shown by the user's own layout.

import { keyTable } from "../../player/key_table.js";
import { helpDialog } from "../../player/keys.js";
import { setKey } from "./group_panel.js";
import { chordOf, labelBindings, labelOfAct } from "./key_map.js";

/** @import { Layout } from "./key_map.js" */

const REPEATED = /^(previous|next|undo|redo)/; // acts that a held key repeats

/**
 * The layout of the user's keyboard, where the browser tells it.
 * @returns {Promise<Layout>}
 */
const readLayout = async () => {
  const { keyboard } =
    /** @type {{ keyboard?: { getLayoutMap?: () => Promise<Map<string, string>> } }} */ (navigator);
  const map = await keyboard?.getLayoutMap?.().catch(() => undefined);
  return (code) => map?.get(code);
};

/**
 * Bind the keys of the page, and write each on its button.
 * @param {(act: string) => unknown} run
 * @param {(layout: Layout) => void} onLayout
 */
export const bindLabelKeys = (run, onLayout) => {
  /** @type {HTMLDialogElement | null} */
  let dialog = null;
  /** @type {Layout} */
  let layout = () => undefined;
  const help = () => {
    dialog ??= helpDialog(labelBindings(run, layout));
    if (dialog.open) dialog.close();
    else dialog.showModal();
  };
  /** @param {string} act */
  const start = (act) => (act === "help" ? help() : run(act));
  /** @type {(act: string, event: KeyboardEvent) => void} */
  const press = (act, event) => {
    if (!event.repeat || REPEATED.test(act)) start(act);
  };
  const table = keyTable(labelBindings(press, layout));
  const show = () => {
    for (const sign of document.querySelectorAll("[data-act] > kbd, [data-key]")) {
      const owner = /** @type {HTMLElement} */ (sign.closest("[data-act], [data-key]"));
      const label = labelOfAct(owner.dataset.act ?? owner.dataset.key ?? "", layout);
      if (label) setKey(sign, label);
    }
    onLayout(layout);
  };
  show();
  readLayout().then((found) => {
    layout = found;
    show();
  });
  document.addEventListener("keydown", (event) => {
    const binding = table.get(chordOf(event).toLowerCase());
    if (!binding || isForBrowser(event)) return;
    if (dialog?.open ? !binding.keys.includes("Shift+Slash") : document.querySelector(":modal")) {
      return;
    }
    event.preventDefault();
    binding.action(event);
  });
  return start;
};

/**
 * Whether a key press belongs to the element that has the focus.
 * @param {KeyboardEvent} event
 */
const isForBrowser = (event) => {
  if (event.altKey || event.isComposing) return true;
  if (/^F\d+$/.test(event.code)) return false;
  const focus = /** @type {Element} */ (event.target);
  if (focus.closest("input, textarea, select")) return true;
  if (focus.closest(".tool-bar") && event.code.startsWith("Arrow")) return true;
  const isPress = /Enter|Space/.test(event.code);
  return isPress && focus.closest("button, a, summary") !== null;
};
