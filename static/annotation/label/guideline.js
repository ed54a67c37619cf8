// The guideline of the action that is looked at, under the questions; and what was just said.

import { element } from "../../js/elements.js";
import { titleOf } from "./texts.js";

/** @import { Action, Group } from "./answers.js" */

const SAID_FOR = 5000; // milliseconds that a message stays

export class Guideline {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    /** @type {Group[]} */
    this.groups = [];
    this.shown = { group: -1, action: -1 };
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.said = undefined; // until the message goes
  }

  /** @param {Group[]} groups */
  use(groups) {
    this.groups = groups;
    this.shown = { group: -1, action: -1 };
    this.root.replaceChildren();
  }

  /**
   * Keep what is shown if it is of the open group; else show the first action with a guideline.
   * @param {number} group place in the vocabulary
   */
  keepTo(group) {
    if (group === this.shown.group || !this.groups[group]) return;
    const action = this.groups[group].actions.findIndex((one) => one.hint);
    this.show(group, Math.max(action, 0));
  }

  /**
   * @param {number} group place in the vocabulary
   * @param {number} action place in the group
   */
  show(group, action) {
    if (group === this.shown.group && action === this.shown.action) return;
    const about = this.groups[group]?.actions[action];
    if (!about) return;
    this.shown = { group, action };
    clearTimeout(this.said);
    this.draw();
  }

  draw() {
    const { group, action } = this.shown;
    const about = this.groups[group]?.actions[action];
    this.root.classList.remove("said");
    if (!about) return;
    const text = element("p");
    text.dir = "auto";
    text.append(element("b", "", `${about.name}. `), about.hint || "No guideline yet.");
    this.root.replaceChildren(text, ...(about.images?.length ? [examples(about)] : []));
  }

  /**
   * Show a message for some seconds.
   * @param {string} text
   */
  say(text) {
    clearTimeout(this.said);
    this.root.classList.add("said");
    this.root.replaceChildren(element("p", "", text));
    this.said = setTimeout(() => this.draw(), SAID_FOR);
  }
}

/** @param {Action} action */
const examples = ({ name, images = [] }) => {
  const list = element("div", "examples");
  for (const url of images) {
    const image = element("img");
    Object.assign(image, { src: url, alt: `Example of ${name}`, loading: "lazy" });
    list.append(image);
  }
  return list;
};

/**
 * All guidelines: for each group its actions with their hints and images.
 * @param {Group[]} groups
 * @param {string} url of the page with the whole text; "" if there is none
 */
export const allGuidelines = (groups, url) => {
  const content = document.createDocumentFragment();
  if (url) {
    const link = element("a", "link", "Open the guidelines as a page of their own");
    Object.assign(link, { href: url, target: "_blank", rel: "noopener" });
    content.append(link);
  }
  for (const group of groups) {
    const explained = group.actions.filter((action) => action.hint || action.images?.length);
    const rest = group.actions.filter((action) => !explained.includes(action));
    const list = element("dl");
    for (const action of explained) {
      const name = element("dt", "", action.name);
      const meaning = element("dd", "", action.hint);
      name.dir = meaning.dir = "auto";
      if (action.images?.length) meaning.append(examples(action));
      list.append(name, meaning);
    }
    content.append(element("h3", "", titleOf(group)));
    if (explained.length) content.append(list);
    const names = rest.map((action) => action.name).join(", ");
    if (rest.length) content.append(element("p", "mut small", `Without a guideline: ${names}`));
  }
  return content;
};
