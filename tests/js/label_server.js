// A server of the label page for tests: the rules of annotation/services/labelling/drafts.py, and a
// network that can fail. No DOM.

/** @import { Operation } from "../../static/annotation/label/fold.js" */

/** @typedef {"whole" | "request lost" | "answer lost" | "twice" | "ended" | "restarting"} Fate of a request */

export class LabelServer {
  constructor() {
    /** @type {Operation[]} */
    this.log = [];
    /** @type {Operation[]} */
    this.discarded = [];
    this.holder = "";
    this.isSubmitted = false;
    /** @type {() => Fate} */
    this.fate = () => "whole";
    this.requests = 0;
    this.largest = 0; // bytes of a request
  }

  /**
   * `fetch` for a draft.
   * @param {string} url
   * @param {RequestInit} options
   */
  fetch = async (url, options) => {
    this.requests += 1;
    const body = options.body ? JSON.parse(String(options.body)) : null;
    this.largest = Math.max(this.largest, String(options.body ?? "").length);
    const fate = this.fate();
    if (fate === "request lost") throw new TypeError("fetch failed");
    if (fate === "ended") return answer(401, { error: "Your session has ended." });
    if (fate === "restarting") return answer(503, { error: "The server is starting." });
    if (fate === "twice") this.take(url, body);
    const taken = this.take(url, body);
    if (fate === "answer lost") throw new TypeError("fetch failed");
    return taken;
  };

  /**
   * @param {string} url
   * @param {any} body
   */
  take(url, body) {
    if (!body) return this.opened();
    if (url === "open") return this.open(body);
    if (url === "discard") {
      const known = new Set([...this.log, ...this.discarded].map((one) => one.id));
      this.discarded.push(
        ...body.operations.filter((/** @type {any} */ one) => !known.has(one.id)),
      );
      return answer(200, {});
    }
    if (url === "submit") {
      if (body.last !== this.log.length) return answer(409, { code: "gap", last: this.log.length });
      this.isSubmitted = true;
      return answer(200, { version: 1 });
    }
    return this.append(body);
  }

  /** @param {{ holder: string, take_over?: boolean, log?: string[] }} body */
  open({ holder, take_over, log }) {
    if (this.holder && this.holder !== holder && !take_over) {
      return answer(409, { code: "held", held: { count: this.log.length } });
    }
    if (log) {
      const parted = this.log.findIndex((one, place) => one.id !== log[place]);
      if (parted >= 0) this.discarded.push(...this.log.splice(parted));
    }
    this.holder = holder;
    return this.opened();
  }

  opened() {
    const start = { persons: {}, clip: {}, remarks: {} };
    const last = this.log.length;
    return answer(200, { draft: 1, start, last, saved_at: null, operations: this.log });
  }

  /** @param {{ holder: string, operations: Operation[], release?: boolean }} body */
  append({ holder, operations, release }) {
    if (this.holder && this.holder !== holder) return answer(409, { code: "taken over" });
    for (const one of operations) {
      const number = one.number ?? 0;
      if (number <= this.log.length) {
        if (this.log[number - 1].id !== one.id) return answer(409, { code: "taken over" });
      } else if (number === this.log.length + 1) {
        this.discarded = this.discarded.filter((other) => other.id !== one.id);
        this.log.push(one);
      } else return answer(409, { code: "gap", last: this.log.length });
    }
    this.holder = release ? "" : holder;
    return answer(200, { last: this.log.length, saved_at: new Date().toISOString() });
  }
}

/**
 * @param {number} status
 * @param {object} content
 */
const answer = (status, content) => new Response(JSON.stringify(content), { status });
