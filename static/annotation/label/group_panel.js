// The action groups of the label page: the open one unfolded, with a chip and a key for each
// action, the others folded to one line. Built once for a task; a change touches what it changes.

import { element } from "../../js/elements.js";
import { fill, gettext, ngettext } from "../../js/translation.js";
import { isChosen, toggled } from "./answers.js";
import { ACTION_CODES, GROUP_CODES, labelOfAct, signOf } from "./key_map.js";
import { limitText, textOf, titleOf } from "./texts.js";

/** @import { Layout } from "./key_map.js" */
/** @import { Answer, Group } from "./answers.js" */
/** @import { Choice } from "./walk.js" */

/**
 * @typedef {object} PanelEvents
 * @property {(group: number) => void} open
 * @property {(group: number, action: number) => void} choose
 * @property {(group: number, answer: Answer) => void} answer none or can't tell
 * @property {(group: number, action: number) => void} point an action is looked at
 */

const PREVIEWED = 3; // chips of the next group
const KEPT = gettext("as before: Enter keeps it");
const MORE = gettext(
  "The actions without a key: press %(key)s and type the first letters of their words.",
);

/** @type {Record<Group["scope"], string>} */
const SCOPES = { keyframe: "", person: gettext("once a person"), clip: gettext("whole clip") };

/** One group: its head, which opens it, and its chips. */
class GroupSection {
  /**
   * @param {Group} group
   * @param {number} place in the vocabulary
   * @param {PanelEvents} events
   */
  constructor(group, place, events) {
    this.group = group;
    this.place = place;
    this.root = element("section", "group");
    const id = `group-${place}`;
    this.head = element("button", "group-head");
    this.head.type = "button";
    this.head.setAttribute("aria-controls", id);
    this.answer = element("span", "group-answer");
    const name = element("b", "", titleOf(group));
    name.dir = "auto";
    this.head.append(name, element("span", "group-limit", limitText(group)), this.answer);
    if (SCOPES[group.scope]) this.head.append(element("span", "mut", SCOPES[group.scope]));
    this.key = keySign();
    if (place < GROUP_CODES.length) this.head.append(this.key);
    this.head.addEventListener("click", () => events.open(place));
    const title = element("h2");
    title.append(this.head);

    this.chips = element("div", "action-chips");
    this.chips.id = id;
    this.chips.setAttribute("role", "group");
    this.chips.setAttribute("aria-label", titleOf(group));
    this.actions = group.actions.map(({ name }, action) => {
      const chip = actionChip(name);
      chip.button.addEventListener("click", () => events.choose(place, action));
      for (const event of ["pointerenter", "focus"]) {
        chip.button.addEventListener(event, () => events.point(place, action));
      }
      return chip;
    });
    this.none = actionChip(gettext("none"));
    this.none.button.hidden = group.choice === "one";
    this.none.button.addEventListener("click", () => events.answer(place, []));
    this.unknown = actionChip(gettext("can't tell"));
    this.unknown.button.addEventListener("click", () => events.answer(place, "unknown"));
    this.rest = element("button", "action-chip rest");
    this.rest.type = "button";
    this.rest.addEventListener("click", () => events.open(place));
    const isLarge = group.actions.length > ACTION_CODES.length;
    const special = [this.none, this.unknown];
    const order = isLarge ? [...special, ...this.actions] : [...this.actions, ...special];
    const buttons = order.map((chip) => chip.button);
    this.chips.append(...buttons, this.rest);
    this.more = element("p", "more-actions mut small");
    this.more.hidden = !isLarge;
    this.chips.append(this.more);
    this.root.append(title, this.chips);
  }

  /** @param {Layout} layout */
  showKeys(layout) {
    if (this.place < GROUP_CODES.length) {
      setKey(this.key, signOf(GROUP_CODES[this.place], layout));
    }
    for (const [index, { key }] of this.actions.entries()) {
      if (index < ACTION_CODES.length) setKey(key, signOf(ACTION_CODES[index], layout));
      else key.remove();
    }
    setKey(this.none.key, labelOfAct("none", layout));
    setKey(this.unknown.key, labelOfAct("unknown", layout));
    const find = labelOfAct("find", layout);
    const [before, after = ""] = MORE.split("%(key)s");
    this.more.replaceChildren(before, element("kbd", "", find), after);
  }

  /**
   * @param {Choice} choice
   * @param {"open" | "next" | "folded"} form
   * @param {boolean} isEditable
   */
  update(choice, form, isEditable) {
    const { answer, origin } = choice;
    const { root, head, chips } = this;
    if (root.dataset.form !== form) {
      root.dataset.form = form;
      head.setAttribute("aria-expanded", String(form === "open"));
      chips.hidden = form === "folded";
    }
    setClass(root, "unanswered", origin === "unset" || origin === "proposed");
    setText(this.answer, textOf(answer));
    setClass(this.answer, "proposed", origin === "proposed");
    if (form === "folded") return;
    const shown = form === "open" ? this.actions.length : PREVIEWED;
    const start = origin === "set" ? answer : "unset"; // the first press starts the answer anew
    for (const [index, chip] of this.actions.entries()) {
      const { name } = this.group.actions[index];
      const isOn = isChosen(answer, name);
      chip.button.hidden = index >= shown && !(form === "next" && isOn);
      const canBe = isEditable && toggled(this.group, start, name) !== null;
      chip.update(isOn ? origin : "unset", canBe);
    }
    const isNone = Array.isArray(answer) && !answer.length;
    this.none.update(isNone ? origin : "unset", isEditable);
    this.unknown.update(answer === "unknown" ? origin : "unset", isEditable);
    this.unknown.button.hidden = form !== "open";
    const hidden = this.actions.filter((chip) => chip.button.hidden).length;
    this.rest.hidden = !hidden;
    if (hidden) setText(this.rest, `+ ${hidden}`);
    this.rest.ariaLabel = fill(
      ngettext("%(count)s more in %(group)s", "%(count)s more in %(group)s", hidden),
      { count: hidden, group: titleOf(this.group) },
    );
    this.more.hidden = form !== "open" || this.actions.length <= ACTION_CODES.length;
  }
}

/** A sign of a key for eyes only: screen readers get it as a property of its button. */
const keySign = () => {
  const sign = element("kbd");
  sign.setAttribute("aria-hidden", "true");
  return sign;
};

/**
 * @param {Element} sign
 * @param {string} label
 */
export const setKey = (sign, label) => {
  setText(sign, label);
  if (sign.parentElement instanceof HTMLButtonElement) {
    setAttribute(sign.parentElement, "aria-keyshortcuts", label.replaceAll(" ", "+"));
  }
};

/** @param {string} name */
const actionChip = (name) => {
  const button = element("button", "action-chip");
  button.type = "button";
  const key = keySign();
  const text = element("span", "", name);
  text.dir = "auto";
  button.append(key, text);
  /**
   * @param {Choice["origin"]} origin of the answer with this action; "unset": not chosen
   * @param {boolean} isEnabled
   */
  const update = (origin, isEnabled) => {
    const isOn = origin === "set" || origin === "kept";
    setAttribute(button, "aria-pressed", String(isOn));
    setAttribute(button, "aria-disabled", String(!isEnabled));
    setAttribute(button, "data-origin", origin);
    setAttribute(button, "title", origin === "proposed" ? KEPT : "");
  };
  return { button, key, update };
};

export class GroupPanel {
  /**
   * @param {HTMLElement} root
   * @param {Group[]} groups
   * @param {PanelEvents} events
   */
  constructor(root, groups, events) {
    this.groups = groups;
    this.sections = groups.map((group, place) => new GroupSection(group, place, events));
    root.replaceChildren(...this.sections.map((section) => section.root));
    this.open = -1;
  }

  /** @param {Layout} layout */
  showKeys(layout) {
    for (const section of this.sections) section.showKeys(layout);
  }

  /**
   * @param {Choice[]} choices by group
   * @param {number} open place of the open group
   * @param {boolean} isEditable
   */
  update(choices, open, isEditable) {
    const next = choices.findIndex(
      ({ origin }, place) => place > open && (origin === "unset" || origin === "proposed"),
    );
    for (const [place, section] of this.sections.entries()) {
      const form = place === open ? "open" : place === next ? "next" : "folded";
      section.update(choices[place], form, isEditable);
    }
    if (open !== this.open) {
      this.open = open;
      const { root } = this.sections[open] ?? {};
      requestAnimationFrame(() => root?.scrollIntoView({ block: "nearest" }));
    }
  }
}

// Changes that are none cost the browser as much as others: each is compared first.

/**
 * @param {Element} target
 * @param {string} text
 */
export const setText = (target, text) => {
  if (target.textContent !== text) target.textContent = text;
};

/**
 * @param {Element} target
 * @param {string} name
 * @param {string} value "" removes it
 */
export const setAttribute = (target, name, value) => {
  if (!value) target.removeAttribute(name);
  else if (target.getAttribute(name) !== value) target.setAttribute(name, value);
};

/**
 * @param {Element} target
 * @param {string} name
 * @param {boolean} isOn
 */
export const setClass = (target, name, isOn) => {
  if (target.classList.contains(name) !== isOn) target.classList.toggle(name, isOn);
};
