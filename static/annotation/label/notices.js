// Notices under the header and the dialogs of the label page.

import { element, part } from "../../js/elements.js";
import { fill, gettext, ngettext } from "../../js/translation.js";

/** @typedef {{ person: string, second: number | null, group: string }} Unset */
/** @typedef {{ label: string, run: () => unknown }} NoticeAct */

/** @param {string} name */
const dialogOf = (name) => /** @type {HTMLDialogElement} */ (part(document, "part", name));

/**
 * Show a notice; one with the same id takes its place.
 * @param {string} id
 * @param {string} text
 * @param {"info" | "warn" | "bad"} tone
 * @param {NoticeAct[]} acts
 */
export const showNotice = (id, text, tone = "info", acts = []) => {
  hideNotice(id);
  const notice = element("div", `label-notice ${tone}`);
  notice.dataset.notice = id;
  notice.setAttribute("role", tone === "bad" ? "alert" : "status");
  notice.append(element("p", "", text));
  for (const { label, run } of acts) {
    const button = element("button", "btn sm", label);
    button.type = "button";
    button.addEventListener("click", () => run());
    notice.append(button);
  }
  part(document, "part", "notices").append(notice);
};

/** @param {string} id */
export const hideNotice = (id) => {
  document.querySelector(`[data-notice="${id}"]`)?.remove();
};

/**
 * The list of what is unset, an entry for each person and group; each leads to its first keyframe.
 * @param {Unset[]} unset
 * @param {(some: Unset[]) => string} textOf
 * @param {(one: Unset) => void} go
 */
export const showUnset = (unset, textOf, go) => {
  const dialog = dialogOf("submit-dialog");
  const count = unset.length;
  part(dialog, "show", "submit-title").textContent = fill(
    ngettext("One answer is missing", "%(count)s answers are missing", count),
    { count },
  );
  part(dialog, "show", "submit-text").textContent = gettext("Press one to go there.");
  /** @type {Map<string, Unset[]>} */
  const entries = new Map();
  for (const one of unset) {
    const key = JSON.stringify([one.person, one.group]);
    entries.set(key, [...(entries.get(key) ?? []), one]);
  }
  const items = [...entries.values()].map((some) => {
    const item = element("li");
    const button = element("button", "btn sm", textOf(some));
    button.type = "button";
    button.addEventListener("click", () => {
      dialog.close();
      go(some[0]);
    });
    item.append(button);
    return item;
  });
  part(dialog, "part", "unset").replaceChildren(...items);
  dialog.showModal();
  dialog.querySelector("button")?.focus();
};

/**
 * Ask what to do about another tab or machine; the dialog stays until one is chosen.
 * @param {object} about
 * @param {string} about.title
 * @param {string} about.text
 * @param {string} about.keep label of the first button
 * @param {string} about.discard label of the second one
 * @returns {Promise<"keep" | "discard">}
 */
export const askWhich = ({ title, text, keep, discard }) => {
  const dialog = dialogOf("held-dialog");
  part(dialog, "show", "held-title").textContent = title;
  part(dialog, "show", "held-text").textContent = text;
  const [first, second] = [part(dialog, "act", "keep-mine"), part(dialog, "act", "discard-mine")];
  first.textContent = keep;
  second.textContent = discard;
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    first.onclick = () => {
      dialog.close();
      resolve("keep");
    };
    second.onclick = () => {
      dialog.close();
      resolve("discard");
    };
  });
};

/**
 * @param {() => Promise<{ content: DocumentFragment, isWhole: boolean }>} load called until the
 *   whole is there
 */
export const toggleGuidelines = (load) => {
  const dialog = dialogOf("guidelines-dialog");
  if (dialog.open) {
    dialog.close();
    return;
  }
  const place = part(dialog, "part", "guidelines");
  dialog.showModal();
  if (place.dataset.whole) return;
  place.textContent = gettext("Loading.");
  load().then(({ content, isWhole }) => {
    place.replaceChildren(content);
    if (isWhole) place.dataset.whole = "true";
  });
};

const HINTS = "label-hints"; // in the browser's storage: "dismissed"

/** Three hints at the first use, dismissed for ever. */
export const showHints = (/** @type {string} */ keepKey) => {
  if (localStorage.getItem(HINTS)) return;
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById("hints"));
  const hints = /** @type {HTMLElement} */ (
    /** @type {DocumentFragment} */ (template.content.cloneNode(true)).firstElementChild
  );
  part(hints, "show", "hint-keys").textContent = keepKey;
  part(hints, "act", "dismiss-hints").addEventListener("click", () => {
    localStorage.setItem(HINTS, "dismissed");
    hints.remove();
  });
  hints.setAttribute("role", "region");
  hints.setAttribute("aria-label", gettext("Hints"));
  document.body.append(hints);
};
