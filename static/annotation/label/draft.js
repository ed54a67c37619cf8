// The draft of a task in this tab: its log, its outbox, and who holds it. No DOM.
// Events: "reloaded" when the work is another one (taken over, discarded), "state" of the outbox.

import { Outbox, RefusedError } from "../../js/outbox.js";
import { claimQueue, openStore } from "../../js/queues.js";
import { askJson } from "../../js/requests.js";
import { logInAgain } from "../../js/session.js";
import { gettext } from "../../js/translation.js";
import { Labelling, newId } from "./segments.js";

/** @import { Acknowledgement, Entry } from "../../js/outbox.js" */
/** @import { Claim, Store } from "../../js/queues.js" */
/** @import { Operation, StateData, TaskData } from "./fold.js" */

/** @typedef {{ draft: number | null, start: StateData | null, last: number, saved_at: string | null, operations: Operation[] }} OpenedDraft */
/** @typedef {Omit<TaskData, "start"> & { start: StateData | null, task: { pk: number, state: string, may_edit: boolean }, urls: Record<string, string> }} PageData */

/**
 * @typedef {object} Surroundings what a test replaces
 * @property {Store} [store]
 * @property {LockManager} [locks]
 * @property {(url: string, options: RequestInit) => Promise<Response>} [fetch]
 * @property {() => Promise<void>} [logIn]
 * @property {() => number} [now] ms
 */

const MAX_PAUSE = 60_000; // ms of a pause between two operations that count as work
/** @type {StateData} */
const NOBODY = { persons: {}, clip: {}, remarks: {} };

export class AnswerDraft extends EventTarget {
  /**
   * @param {PageData} data
   * @param {Surroundings} surroundings
   */
  constructor(data, surroundings) {
    super();
    this.data = data;
    this.surroundings = surroundings;
    this.now = surroundings.now ?? (() => performance.now());
    /** @type {"open" | "held" | "read only" | "taken over"} */
    this.outcome = "read only";
    /** @type {{ heard_at: string | null, saved_at: string | null, count: number } | null} */
    this.held = null;
    this.work = new Labelling({ ...data, start: data.start ?? NOBODY });
    this.lastAct = this.now();
    /** @type {Claim | null} */
    this.claim = null;
    this.outbox = new Outbox({
      queue: { holder: "", put: async () => {}, remove: async () => {} },
      send: (entries) => this.send(entries),
      logIn: surroundings.logIn ?? logInAgain,
    });
    this.outbox.addEventListener("state", () => this.onOutbox());
    this.leaving = new AbortController();
  }

  /** Open the draft for this tab; see `outcome`. */
  async begin() {
    const { task, urls } = this.data;
    const isOver = ["submitted", "missing", "unassigned"].includes(task.state);
    if (!task.may_edit || isOver) {
      await this.lookOn();
      return;
    }
    if (task.state === "sent back") await this.post(urls.reopen, {});
    const store = this.surroundings.store ?? (await openStore());
    const locks = this.surroundings.locks ?? globalThis.navigator?.locks;
    this.claim = await claimQueue(store, `label ${task.pk}`, { newId, locks });
    this.outbox.queue = this.claim.queue;
    await this.open({});
    if (globalThis.document) this.watchPage();
  }

  /** Show what there is, without holding it. */
  async lookOn() {
    const opened = await this.get(this.data.urls.operations);
    this.outcome = "read only";
    this.load(opened);
    this.outbox.stop("saved", "");
  }

  /** @param {{ take_over?: boolean }} body */
  async open(body) {
    const { urls } = this.data;
    try {
      this.adopt(await this.post(urls.open, body));
    } catch (error) {
      if (!(error instanceof RefusedError) || !["held", "submitted"].includes(error.code))
        throw error;
      await this.lookOn();
      if (error.code === "held") {
        this.outcome = "held";
        this.held = error.facts.held;
      }
    }
  }

  /** Hold the draft although another tab or machine does; that one is told. */
  async takeOver() {
    await this.open({ take_over: true });
    this.dispatchEvent(new Event("reloaded"));
  }

  /** @param {OpenedDraft} opened */
  load({ start, operations }) {
    this.work = new Labelling({ ...this.data, start: start ?? this.data.start ?? NOBODY });
    this.work.load(operations);
  }

  /**
   * Go on from the log of the server, with what an earlier tab has left in the queue.
   * @param {OpenedDraft} opened
   */
  adopt(opened) {
    const { queue, entries, notes, note } = /** @type {Claim} */ (this.claim);
    const { operations, last } = opened;
    const there = new Set(operations.map((one) => one.id));
    const own = notes.draft === opened.draft ? entries : [];
    const left = own.filter((one) => !there.has(one.id));
    const before = (left[0]?.number ?? last + 1) - 1; // as many operations as `left` goes on from
    const isCommon = before === 0 || operations[before - 1]?.id === left[0]?.after;
    if (!left.length || (isCommon && before === last)) {
      this.outcome = "open";
      this.load({ ...opened, operations: [...operations, ...asOperations(left)] });
      note({ draft: opened.draft });
      if (left.length < own.length) queue.remove(last); // or they would be taken for left ones
      this.outbox.start(opened, left);
      return;
    }
    const shared = isCommon ? operations.slice(0, before) : operations;
    this.load({ ...opened, operations: [...shared, ...asOperations(left)] });
    this.outbox.entries = left;
    this.outcome = "taken over";
    this.outbox.stop("taken over", gettext("Another tab or machine went on with this task."));
  }

  /**
   * Do something: it is stored, sent, and shown by `work` at once.
   * @param {{ kind: string, [field: string]: any }} fields
   * @returns {Operation | null} null if it changes nothing
   */
  act(fields) {
    if (this.outcome !== "open") return null;
    const ms = Math.round(Math.min(this.now() - this.lastAct, MAX_PAUSE));
    const operation = { ...fields, id: newId(), ms };
    const after = this.work.log.at(-1)?.id ?? "";
    if (!this.work.attempt(operation)) return null;
    this.lastAct = this.now();
    this.outbox.add({ ...operation, after });
    return operation;
  }

  /** @returns {Operation | null} the operation that was undone */
  undo() {
    const target = this.work.undoTarget();
    return target && this.act({ kind: "undo", target: target.id }) && target;
  }

  /** @returns {Operation | null} the operation that counts again */
  redo() {
    const target = this.work.redoTarget();
    return target && this.act({ kind: "redo", target: target.id }) && target;
  }

  /** After a take-over: what this tab has counts, what came since is discarded, but readable. */
  async keepMine() {
    const log = this.work.log.map((one) => one.id);
    const opened = await this.post(this.data.urls.open, { take_over: true, log });
    const entries = this.work.log.slice(opened.last).map((one, place) => ({
      ...one,
      number: opened.last + 1 + place,
      after: log[opened.last + place - 1] ?? "",
    }));
    const { queue, note } = /** @type {Claim} */ (this.claim);
    await queue.remove(Number.MAX_SAFE_INTEGER);
    await queue.put(entries);
    await note({ draft: opened.draft });
    this.outcome = "open";
    this.outbox.start(opened, entries);
  }

  /** After a take-over: what this tab has not saved is discarded, but readable. */
  async discardMine() {
    const operations = this.outbox.entries;
    const { discard, open } = this.data.urls;
    for (let start = 0; start < operations.length; start += 100) {
      await this.post(discard, { operations: operations.slice(start, start + 100) });
    }
    const { queue } = /** @type {Claim} */ (this.claim);
    await queue.remove(Number.MAX_SAFE_INTEGER);
    this.outbox.entries = [];
    if (this.claim) this.claim.entries = [];
    this.adopt(await this.post(open, { take_over: true }));
    this.dispatchEvent(new Event("reloaded"));
  }

  /**
   * Submit when all is saved. Throws RefusedError, whose `facts.unset` lists what is unset.
   * @param {number} [despite] a newer version of the answers that is replaced knowingly
   */
  async submit(despite) {
    await this.outbox.settle();
    const body = { last: this.outbox.last, despite };
    const answer = await this.post(this.data.urls.submit, body);
    this.outcome = "read only";
    this.outbox.stop("saved", "");
    await this.claim?.forget();
    return answer;
  }

  /** Begin the next revision of answers that were submitted. */
  async reopen() {
    await this.post(this.data.urls.reopen, {});
    this.data.task.state = "open";
    await this.begin();
    this.dispatchEvent(new Event("reloaded"));
  }

  /** Give the draft up: the page goes on to another task. */
  async close() {
    this.leaving.abort();
    if (this.outcome === "open") {
      await this.outbox.flush();
      await this.release();
      if (!this.outbox.entries.length) await this.claim?.forget();
    }
    this.outbox.stop(this.outbox.state.status, "");
    this.claim?.release();
  }

  /** Send what waits, and leave the draft to whoever opens it next. */
  async release() {
    const operations = asOperations(this.outbox.batch());
    await this.post(this.data.urls.operations, { operations, release: true }).catch(() => {});
  }

  onOutbox() {
    if (this.outbox.state.status === "taken over" && this.outcome === "open") {
      this.outcome = "taken over";
    }
    this.dispatchEvent(new Event("state"));
  }

  /** Send what waits whenever the page may end, and as soon as there is a network again. */
  watchPage() {
    const { signal } = this.leaving;
    globalThis.addEventListener("online", () => this.outbox.retry(), { signal });
    globalThis.addEventListener("pagehide", () => this.outcome === "open" && this.release(), {
      signal,
    });
    document.addEventListener(
      "visibilitychange",
      () => {
        if (document.visibilityState === "hidden") this.outbox.flush();
      },
      { signal },
    );
  }

  /**
   * @param {Entry[]} entries
   * @returns {Promise<Acknowledgement>}
   */
  async send(entries) {
    const operations = asOperations(entries);
    const body = { operations, progress: this.work.progress() };
    return this.request(this.data.urls.operations, body);
  }

  /** @param {string} url */
  get(url) {
    return this.inSession(() => this.request(url));
  }

  /**
   * @param {string} url
   * @param {Record<string, any>} body
   */
  post(url, body) {
    return this.inSession(() => this.request(url, body));
  }

  /**
   * Ask again after a new log-in, if the session has ended.
   * @param {() => Promise<any>} ask
   */
  async inSession(ask) {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof RefusedError) || error.status !== 401) throw error;
        await this.outbox.logIn();
      }
    }
  }

  /**
   * Ask the server once: GET without a body, else POST.
   * @param {string} url
   * @param {Record<string, any>} [body]
   */
  async request(url, body) {
    const content = body && { holder: this.outbox.queue.holder, ...body };
    return askJson(url, content, this.surroundings.fetch);
  }
}

/**
 * What waits in the outbox, as the log has it.
 * @param {Entry[]} entries
 */
const asOperations = (entries) =>
  entries.map(({ after, ...operation }) => /** @type {Operation} */ (operation));

/**
 * Open the draft of a task; see `outcome`.
 * @param {PageData} data
 * @param {Surroundings} [surroundings]
 */
export const openDraft = async (data, surroundings = {}) => {
  const draft = new AnswerDraft(data, surroundings);
  await draft.begin();
  return draft;
};
