// The vocabulary page: groups and actions are dragged or moved, and shown as annotators see them.

import { GroupPanel, setText } from "../annotation/label/group_panel.js";
import { ACTION_CODES, signOf } from "../annotation/label/key_map.js";
import { part } from "../js/elements.js";
import { gettext } from "../js/translation.js";

/** @import { Group } from "../annotation/label/answers.js" */
/** @import { Choice } from "../annotation/label/walk.js" */

const form = /** @type {HTMLFormElement} */ (document.getElementById("vocabulary"));
const list = part(form, "part", "groups");
const preview = part(document, "part", "preview");
const NEW = "new";
const layout = () => undefined;
let open = 0;
let isChanged = false;

/** @param {Element} group */
const actionsOf = (group) => [...group.querySelectorAll("[data-action]")];

/**
 * @param {Element} group
 * @param {string} field
 */
const fieldOf = (group, field) => {
  const key = /** @type {HTMLElement} */ (group).dataset.group;
  const input = form.elements.namedItem(`${key}-${field}`);
  if (input instanceof HTMLInputElement && input.type === "checkbox") return String(input.checked);
  return input instanceof HTMLInputElement || input instanceof HTMLSelectElement ? input.value : "";
};

/** @param {Element} row */
const isRemoved = (row) => {
  const box = [...row.querySelectorAll("input")].find((one) => one.name === "remove");
  return box?.checked ?? false;
};

/** @param {Element} action */
const nameOf = (action) => {
  const shown = part(action, "show", "name");
  return shown instanceof HTMLInputElement ? shown.value : (shown.textContent ?? "");
};

/**
 * A group of the form as the label page gets it.
 * @param {Element} group
 * @returns {Group}
 */
const read = (group) => {
  const added = group.querySelector("textarea")?.value.split("\n") ?? [];
  const names = actionsOf(group)
    .filter((one) => !isRemoved(one))
    .map(nameOf);
  const name = fieldOf(group, "name");
  const choice = fieldOf(group, "choice") === "one" ? "one" : "many";
  const scope = /** @type {Group["scope"]} */ (fieldOf(group, "scope") || "keyframe");
  return {
    name,
    title: `${name.slice(0, 1).toUpperCase()}${name.slice(1).replaceAll("_", " ")}`,
    choice,
    required: fieldOf(group, "required") === "true",
    max: choice === "one" ? 1 : Number(fieldOf(group, "max_per_person")) || 1,
    scope,
    actions: [...names, ...added].map((name) => ({ name: name.trim() })).filter(({ name }) => name),
  };
};

/** Write the keys beside the actions, and draw the preview. */
const show = () => {
  const cards = [...list.children].filter((one) => {
    const isNew = /** @type {HTMLElement} */ (one).dataset.group === NEW;
    const removal = one.querySelector(".pad > .check input");
    const isGone = removal instanceof HTMLInputElement && removal.checked;
    return !isGone && (!isNew || fieldOf(one, "name").trim());
  });
  const groups = cards.map(read).filter((group) => group.actions.length);
  for (const card of cards) {
    for (const [index, action] of actionsOf(card)
      .filter((one) => !isRemoved(one))
      .entries()) {
      const code = ACTION_CODES[index];
      setText(part(action, "show", "key"), code ? signOf(code, layout) : "");
    }
  }
  const panel = new GroupPanel(preview, groups, {
    open: (place) => {
      open = place;
      draw();
    },
    choose: () => {},
    answer: () => {},
    point: () => {},
  });
  /** @type {Choice[]} */
  const choices = groups.map(() => ({ answer: "unset", origin: "unset" }));
  const draw = () => panel.update(choices, Math.min(open, groups.length - 1), true);
  panel.showKeys(layout);
  draw();
};

const changed = () => {
  isChanged = true;
  setText(part(document, "show", "changed"), gettext("Not saved yet."));
  show();
};

/**
 * Move a group or an action by one place.
 * @param {Element} row
 * @param {number} by
 */
const move = (row, by) => {
  const other = by < 0 ? row.previousElementSibling : row.nextElementSibling;
  const isFixed = other instanceof HTMLElement && other.dataset.group === NEW;
  if (!other || isFixed) return;
  if (by < 0) other.before(row);
  else other.after(row);
  changed();
};

form.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  const match = /^(action|group)-\d+-(up|down)$/.exec(button?.value ?? "");
  if (!button || !match) return;
  event.preventDefault();
  const row = button.closest(`[data-${match[1]}]`);
  if (row) move(row, match[2] === "up" ? -1 : 1);
  button.focus();
});

// Dragging, with a mouse, a pen or a finger.
form.addEventListener("pointerdown", (event) => {
  const grip = /** @type {Element} */ (event.target).closest("[data-grip]");
  if (!(grip instanceof HTMLElement) || event.button) return;
  const row = grip.closest("[data-action]") ?? grip.closest("[data-group]");
  if (!row) return;
  event.preventDefault();
  grip.setPointerCapture(event.pointerId);
  row.classList.add("dragged");
  /** @param {PointerEvent} moved */
  const drag = ({ clientY }) => {
    const [before, after] = [row.previousElementSibling, row.nextElementSibling];
    const middle = (/** @type {Element} */ one) => {
      const { top, height } = one.getBoundingClientRect();
      return top + height / 2;
    };
    if (before && clientY < middle(before)) move(row, -1);
    else if (after && clientY > middle(after)) move(row, 1);
  };
  const end = () => {
    row.classList.remove("dragged");
    grip.removeEventListener("pointermove", drag);
  };
  grip.addEventListener("pointermove", drag);
  grip.addEventListener("lostpointercapture", end, { once: true });
});

form.addEventListener("input", changed);
form.addEventListener("submit", () => {
  isChanged = false;
});
addEventListener("beforeunload", (event) => {
  if (isChanged) event.preventDefault();
});
show();
