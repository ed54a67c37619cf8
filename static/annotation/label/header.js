// The header of the label page: where the work is, what is saved, how much is left.

import { part } from "../../js/elements.js";
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
   */
  showPlace(place) {
    setText(
      part(document, "show", "place"),
      place
        ? `person ${place.order} of ${place.count} · second ${place.second} (${place.nth} of ${place.seconds})`
        : "",
    );
    setText(
      part(document, "show", "person"),
      place ? `${place.name} · ${place.order} of ${place.count} · second ${place.second}` : "",
    );
  }

  /**
   * @param {{ done: number, total: number }} progress keyframes of persons
   * @param {number} pace seconds a keyframe
   */
  showProgress({ done, total }, pace) {
    const counted = total ? `${done} of ${total} keyframe${total === 1 ? "" : "s"} answered` : "";
    const left = leftText((total - done) * pace);
    setText(part(document, "show", "progress"), left ? `${counted} · ${left}` : counted);
    const isComplete = done === total;
    part(document, "act", "submit").classList.toggle("ready", isComplete);
  }
}
