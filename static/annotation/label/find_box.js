// The field that finds an action by typing: a combobox with a list of what the letters may mean.

import { element } from "../../js/elements.js";
import { gettext } from "../../js/translation.js";
import { findActions } from "./find_actions.js";
import { titleOf } from "./texts.js";

/** @import { FoundAction } from "./find_actions.js" */
/** @import { Group } from "./answers.js" */

export class FindBox {
  /**
   * @param {HTMLInputElement} field
   * @param {HTMLElement} list
   * @param {(found: FoundAction) => void} choose
   */
  constructor(field, list, choose) {
    this.field = field;
    this.list = list;
    this.choose = choose;
    /** @type {Group[]} */
    this.groups = [];
    this.open = 0; // place of the open group
    /** @type {FoundAction[]} */
    this.found = [];
    this.place = 0; // of the marked one
    field.addEventListener("input", () => this.search());
    field.addEventListener("keydown", (event) => this.onKey(event));
    field.addEventListener("focus", () => this.search());
    field.addEventListener("blur", () => this.close());
    list.addEventListener("pointerdown", (event) => {
      const option = /** @type {Element} */ (event.target).closest("[role=option]");
      if (!option) return;
      event.preventDefault(); // keep the focus in the field
      this.take([...list.children].indexOf(option));
    });
  }

  start() {
    this.field.value = "";
    this.field.focus();
    this.search();
  }

  search() {
    this.found = findActions(this.groups, this.field.value, this.open);
    this.place = 0;
    const options = this.found.map(({ group, name }, index) => {
      const option = element("li");
      option.id = `found-${index}`;
      option.setAttribute("role", "option");
      const text = element("span", "", name);
      text.dir = "auto";
      option.append(text, element("small", "mut", titleOf(this.groups[group])));
      return option;
    });
    const none = element("li", "mut", gettext("No action begins like this."));
    none.setAttribute("role", "option");
    none.setAttribute("aria-disabled", "true");
    this.list.replaceChildren(...(options.length ? options : [none]));
    this.list.hidden = false;
    this.field.setAttribute("aria-expanded", "true");
    this.mark(0);
  }

  /** @param {number} place */
  mark(place) {
    if (!this.found.length) {
      this.field.removeAttribute("aria-activedescendant");
      return;
    }
    this.place = (place + this.found.length) % this.found.length;
    for (const [index, option] of [...this.list.children].entries()) {
      option.setAttribute("aria-selected", String(index === this.place));
    }
    this.field.setAttribute("aria-activedescendant", `found-${this.place}`);
    this.list.children[this.place].scrollIntoView({ block: "nearest" });
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.key === "ArrowDown") this.mark(this.place + 1);
    else if (event.key === "ArrowUp") this.mark(this.place - 1);
    else if (event.key === "Enter") this.take(this.place);
    else if (event.key === "Escape") this.field.blur();
    else return;
    event.preventDefault();
  }

  /** @param {number} place */
  take(place) {
    const found = this.found[place];
    if (!found) return;
    this.field.blur();
    this.choose(found);
  }

  close() {
    this.field.value = "";
    this.list.hidden = true;
    this.field.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
  }
}
