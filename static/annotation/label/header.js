// The header of the label page: where the work is, what is saved, how much is left.

import { part } from "../../js/elements.js";
import { fill, gettext, ngettext } from "../../js/translation.js";
import { setText } from "./group_panel.js";
import { leftText, savedText } from "./texts.js";

/** @typedef {{ status: string, waiting: number, savedAt: number | null, message: string }} OutboxState */

const TICK = 1000; // milliseconds, of "saved 2 s ago"

export class Header {
  constructor() {
    this.saved = part(document, "show", "saved");
    /** @type {() => OutboxState | null} */
    this.outboxState = () => null;
    setInterval(() => this.showSaved(), TICK);
  }

  /** @param {string} text in place of the saved state */
  showInstead(text) {
    this.outboxState = () => null;
    setText(this.saved, text);
    this.saved.className = "badge b-grey saved";
  }

  showSaved() {
    const state = this.outboxState();
    if (!state) return;
    const { text, tone } = savedText(state, Date.now());
    setText(this.saved, text);
    const className = `badge b-${tone} saved`;
    if (this.saved.className !== className) this.saved.className = className;
    this.saved.title = text;
    document.body.dataset.saved = state.status;
    document.body.dataset.waiting = `${state.waiting}`;
  }

  /**
   * @param {{ name: string, order: number, count: number, second: number, nth: number, seconds: number } | null} place
   * @param {boolean} isOfPersons whether persons alone are followed
   */
  showPlace(place, isOfPersons) {
    const text = isOfPersons
      ? gettext("person %(order)s of %(count)s · second %(second)s (%(nth)s of %(seconds)s)")
      : gettext("%(name)s, %(order)s of %(count)s · second %(second)s (%(nth)s of %(seconds)s)");
    setText(part(document, "show", "place"), place ? fill(text, place) : "");
    setText(
      part(document, "show", "person"),
      place ? fill(gettext("%(name)s · %(order)s of %(count)s · second %(second)s"), place) : "",
    );
  }

  /**
   * @param {{ done: number, total: number }} progress keyframes of persons
   * @param {number} pace seconds a keyframe
   */
  showProgress({ done, total }, pace) {
    const text = ngettext(
      "%(done)s of %(total)s keyframe answered",
      "%(done)s of %(total)s keyframes answered",
      total,
    );
    const counted = total ? fill(text, { done, total }) : "";
    const left = leftText((total - done) * pace);
    setText(part(document, "show", "progress"), left ? `${counted} · ${left}` : counted);
    const isComplete = done === total;
    part(document, "act", "submit").classList.toggle("ready", isComplete);
  }
}
