// Decisions of the adjudication page on their way to the server: an outbox for each reviewer and
// dataset. Event "answered": what the server said of the entries that it got. No DOM.

import { Outbox } from "../js/outbox.js";
import { claimQueue, openStore } from "../js/queues.js";
import { askJson } from "../js/requests.js";
import { logInAgain } from "../js/session.js";
import { fill, gettext, ngettext } from "../js/translation.js";

/** @import { Acknowledgement } from "../js/outbox.js" */
/** @import { Claim, Store } from "../js/queues.js" */

/** @typedef {Acknowledgement & { count: number, refused: Record<string, string> }} Answer refused: a sentence by id of an entry; count: of open items */

/**
 * @typedef {object} Surroundings what a test replaces
 * @property {Store} [store]
 * @property {LockManager} [locks]
 * @property {(url: string, options: RequestInit) => Promise<Response>} [fetch]
 * @property {() => Promise<void>} [logIn]
 */

const newId = () => globalThis.crypto.randomUUID();

export class DecisionOutbox extends EventTarget {
  /**
   * @param {object} about
   * @param {string} about.url of the endpoint
   * @param {string} about.kind of the items, whose number the server counts
   * @param {Claim} claim
   * @param {Surroundings} surroundings
   */
  constructor({ url, kind }, claim, surroundings) {
    super();
    this.left = claim.entries; // by an earlier page, not acknowledged when this one began
    this.outbox = new Outbox({
      queue: claim.queue,
      logIn: surroundings.logIn ?? logInAgain,
      send: async (entries) => {
        const sent = entries.map(({ keys, ...entry }) => entry);
        const answer = await askJson(url, { kind, entries: sent }, surroundings.fetch);
        this.answer = /** @type {Answer} */ (answer);
        return answer;
      },
    });
    /** @type {Answer | null} */
    this.answer = null; // the last, until it is told
    this.outbox.addEventListener("state", () => this.onState());
    const before = (claim.entries[0]?.number ?? 1) - 1;
    this.outbox.start({ last: before, saved_at: null }, claim.entries);
  }

  get state() {
    return this.outbox.state;
  }

  /** Keyframes that are decided here, but not yet on the server; undone ones count against. */
  get waitingCount() {
    const counts = this.outbox.entries.map((one) => one.keys.length * ("undoes" in one ? -1 : 1));
    return counts.reduce((sum, one) => sum + one, 0);
  }

  /** The keys of items that an earlier page decided, which the server may still count as open. */
  get keysLeft() {
    /** @type {Set<string>} */
    const keys = new Set();
    for (const entry of this.left) {
      for (const key of entry.keys) {
        if ("undoes" in entry) keys.delete(key);
        else keys.add(key);
      }
    }
    return keys;
  }

  /**
   * @param {string[]} keys of the items that are closed by it
   * @param {FormData} form
   * @returns {string} the id to undo it by
   */
  decide(keys, form) {
    return this.outbox.add({ id: newId(), keys, fields: [...form.entries()] }).id;
  }

  /**
   * @param {string} id of the decision
   * @param {string[]} keys
   */
  undo(id, keys) {
    this.outbox.add({ id: newId(), keys, undoes: id });
  }

  onState() {
    const { answer } = this;
    if (answer && answer.last <= this.outbox.last) {
      this.answer = null;
      this.dispatchEvent(new CustomEvent("answered", { detail: answer }));
    }
    this.dispatchEvent(new Event("state"));
  }

  /** Send what waits whenever the page may end; warn while something waits. */
  watchPage() {
    addEventListener("online", () => this.outbox.retry());
    addEventListener("pagehide", () => this.outbox.flush());
    addEventListener("beforeunload", (event) => {
      if (this.outbox.entries.length) event.preventDefault();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") this.outbox.flush();
    });
  }
}

/**
 * The outbox of this tab, with what an earlier one has left.
 * @param {{ url: string, kind: string, subject: string }} about subject: reviewer and dataset
 * @param {Surroundings} [surroundings]
 */
export const openDecisions = async ({ subject, ...about }, surroundings = {}) => {
  const store = surroundings.store ?? (await openStore());
  const locks = surroundings.locks ?? globalThis.navigator?.locks;
  const claim = await claimQueue(store, subject, { newId, locks });
  return new DecisionOutbox(about, claim, surroundings);
};

/**
 * The state of an outbox in words; "" if there is nothing to say.
 * @param {import("../js/outbox.js").OutboxState} state
 */
export const outboxText = ({ status, waiting, message }) => {
  const decisions = fill(ngettext("%(count)s decision", "%(count)s decisions", waiting), {
    count: waiting,
  });
  if (status === "offline")
    return fill(gettext("Offline: %(decisions)s kept in this browser, sent later."), { decisions });
  if (status === "log in")
    return fill(gettext("Logged out: %(decisions)s kept in this browser."), { decisions });
  if (status === "refused") return fill(gettext("Not saved: %(sentence)s"), { sentence: message });
  return waiting ? fill(gettext("Saving %(decisions)s"), { decisions }) : "";
};
