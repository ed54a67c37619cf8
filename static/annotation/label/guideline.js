// The guideline of the action that is looked at, under the questions; and what was just said.

import { element } from "../../js/elements.js";
import { request } from "../../js/requests.js";
import { fill, gettext } from "../../js/translation.js";

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
    text.append(element("b", "", `${about.name}. `), about.hint || gettext("No guideline yet."));
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
  for (const { url, caption, is_yes: isYes } of images) {
    const image = element("img", isYes ? "yes" : "no");
    const shown = isYes ? name : fill(gettext("Not %(action)s"), { action: name });
    const alt = caption ? `${shown}: ${caption}` : shown;
    Object.assign(image, { src: url, alt, title: alt, loading: "lazy" });
    list.append(image);
  }
  return list;
};

/**
 * All guidelines, as the page of guidelines shows them.
 * @param {string} url of that page
 */
export const allGuidelines = async (url) => {
  const content = document.createDocumentFragment();
  const link = element("a", "link", gettext("Open the guidelines as a page of their own"));
  Object.assign(link, { href: url, target: "_blank", rel: "noopener" });
  const response = await request(`${url}?fragment`).catch(() => null);
  if (!response?.ok) {
    content.append(element("p", "", gettext("The guidelines can't be loaded now. Try again.")));
    return { content, isWhole: false };
  }
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  content.append(link, ...page.body.children);
  return { content, isWhole: true };
};
