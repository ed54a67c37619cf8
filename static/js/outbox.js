// Outbox: entries that the server has not acknowledged yet, kept on disk and sent in their order. No DOM.
// An entry has a number, 1, 2, 3 in its log; the server answers with the last one that it has, so
// that a lost answer, a repeated batch, a reload and a restart change nothing.

import { fill, gettext } from "./translation.js";

/** @typedef {{ id: string, number: number, [field: string]: any }} Entry */
/** @typedef {"saved" | "saving" | "offline" | "log in" | "taken over" | "refused"} OutboxStatus */
/** @typedef {{ status: OutboxStatus, waiting: number, savedAt: number | null, message: string }} OutboxState savedAt: ms since 1970 */
/** @typedef {{ last: number, saved_at: string | null }} Acknowledgement */

/**
 * Where entries are kept until they are acknowledged, and what is known of their log.
 * @typedef {object} Queue
 * @property {string} holder the tab that the queue belongs to
 * @property {(entries: Entry[]) => Promise<unknown>} put
 * @property {(upTo: number) => Promise<unknown>} remove entries up to a number
 */

const MAX_BATCH = 60 * 1024; // bytes: a browser sends 64 KiB while its page is closed
const PAUSES = [1, 2, 4, 8, 15, 30]; // seconds between attempts
const PASSING = [408, 425, 429]; // statuses after which to try again

/** An answer of the server that is no acknowledgement. */
export class RefusedError extends Error {
  /**
   * @param {number} status
   * @param {{ error?: string, code?: string, [fact: string]: any }} content of the answer
   */
  constructor(status, content) {
    super(
      content.error || fill(gettext("The server answered with status %(status)s."), { status }),
    );
    this.status = status;
    this.code = content.code ?? "";
    this.facts = content;
  }
}

export class Outbox extends EventTarget {
  /**
   * @param {object} about
   * @param {Queue} about.queue
   * @param {(entries: Entry[]) => Promise<Acknowledgement>} about.send throws RefusedError
   * @param {() => Promise<void>} about.logIn resolves when a session that ended is renewed
   */
  constructor({ queue, send, logIn }) {
    super();
    this.queue = queue;
    this.send = send;
    this.logIn = logIn;
    /** @type {Entry[]} */
    this.entries = []; // not acknowledged, in their order
    this.last = 0; // number of the last acknowledged entry
    /** @type {OutboxState} */
    this.state = { status: "saved", waiting: 0, savedAt: null, message: "" };
    this.isSending = false;
    this.isStopped = false;
    this.failures = 0;
    this.limit = MAX_BATCH;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /**
   * Begin with what the server has, and with entries that it does not have yet.
   * @param {Acknowledgement} acknowledged
   * @param {Entry[]} entries
   */
  start({ last, saved_at }, entries) {
    this.last = last;
    this.entries = entries;
    this.failures = 0;
    this.isStopped = false;
    this.set("saved", { savedAt: saved_at ? Date.parse(saved_at) : null });
    this.flush();
  }

  /** The number of the next entry. */
  get nextNumber() {
    return this.last + this.entries.length + 1;
  }

  /**
   * Keep an entry and send it.
   * @param {Omit<Entry, "number">} content
   * @returns {Entry}
   */
  add(content) {
    const entry = /** @type {Entry} */ ({ ...content, number: this.nextNumber });
    this.entries.push(entry);
    this.queue.put([entry]);
    this.set(this.state.status === "saved" ? "saving" : this.state.status);
    if (this.failures === 0) this.flush();
    return entry;
  }

  /** Try again now: after a new log-in, or when somebody presses the button. */
  retry() {
    this.isStopped = false;
    this.failures = 0;
    return this.flush();
  }

  /**
   * Do not send until `start` or `retry`.
   * @param {OutboxStatus} status
   * @param {string} message
   */
  stop(status, message) {
    this.isStopped = true;
    clearTimeout(this.timer);
    this.set(status, { message });
  }

  /** Resolve when everything is acknowledged. Throws if that does not come about by itself. */
  async settle() {
    await this.flush();
    while (this.entries.length) {
      if (this.isStopped) throw new Error(this.state.message);
      await new Promise((resolve) => this.addEventListener("state", resolve, { once: true }));
    }
  }

  /** Send what waits, batch after batch. */
  async flush() {
    if (this.isSending || this.isStopped) return;
    clearTimeout(this.timer);
    this.isSending = true;
    try {
      while (this.entries.length && !this.isStopped) {
        if (this.failures === 0) this.set("saving");
        const batch = this.batch();
        try {
          const answer = await this.send(batch);
          if (!(answer.last >= batch[0].number)) throw new Error("no acknowledgement");
          this.failures = 0;
          await this.acknowledge(answer);
        } catch (error) {
          if (!(await this.overcome(error, batch))) return;
        }
      }
      if (!this.entries.length && !this.isStopped) this.set("saved");
    } finally {
      this.isSending = false;
    }
  }

  /** As many entries as one request may carry, at least one. */
  batch() {
    let size = 0;
    const encoder = new TextEncoder();
    const count = this.entries.findIndex((entry) => {
      size += encoder.encode(JSON.stringify(entry)).length + 1;
      return size > this.limit;
    });
    return count < 0 ? [...this.entries] : this.entries.slice(0, Math.max(count, 1));
  }

  /** @param {Acknowledgement} answer */
  async acknowledge({ last, saved_at }) {
    if (last > this.last) {
      this.entries = this.entries.filter((entry) => entry.number > last);
      this.last = last;
      await this.queue.remove(last);
    }
    const savedAt = saved_at ? Date.parse(saved_at) : Date.now();
    this.set(this.state.status, { savedAt, message: "" });
  }

  /**
   * @param {unknown} error of sending
   * @param {Entry[]} batch
   * @returns {Promise<boolean>} whether to go on at once
   */
  async overcome(error, batch) {
    if (!(error instanceof RefusedError))
      return this.pause(gettext("The server can't be reached."));
    const { status, code, facts, message } = error;
    if (status === 401) {
      this.set("log in", { message });
      await this.logIn();
      return true;
    }
    if (status >= 500 || PASSING.includes(status)) return this.pause(message);
    if (code === "gap" && facts.last !== this.last) {
      await this.acknowledge({ last: facts.last, saved_at: null });
      if (this.last === facts.last) return true;
    }
    if (status === 413 && batch.length > 1) {
      this.limit /= 2;
      return true;
    }
    this.stop(code === "taken over" ? "taken over" : "refused", message);
    return false;
  }

  /** @param {string} message */
  pause(message) {
    const seconds = PAUSES[Math.min(this.failures, PAUSES.length - 1)];
    this.failures += 1;
    this.timer = setTimeout(() => this.flush(), 1000 * seconds);
    this.set("offline", { message });
    return false;
  }

  /**
   * @param {OutboxStatus} status
   * @param {Partial<OutboxState>} [more]
   */
  set(status, more = {}) {
    this.state = { ...this.state, ...more, status, waiting: this.entries.length };
    this.dispatchEvent(new Event("state"));
  }
}
