// Drafts of the label page and their outbox: static/annotation/label/draft.js, static/js/outbox.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openDraft } from "../../static/annotation/label/draft.js";
import { memoryStore } from "../../static/js/queues.js";
import { LabelServer } from "./label_server.js";

/** @import { TestContext } from "node:test" */
/** @import { AnswerDraft } from "../../static/annotation/label/draft.js" */
/** @import { Store } from "../../static/js/queues.js" */
/** @import { Fate } from "./label_server.js" */

const data = {
  task: { pk: 7, state: "open", may_edit: true },
  urls: {
    open: "open",
    operations: "operations",
    discard: "discard",
    submit: "submit",
    reopen: "",
  },
  clip: { keyframes: [1, 2, 3], frame_count: 120, step: 6, frame_rate: 30 },
  groups: [],
  start: { persons: {}, clip: {}, remarks: {} },
};

/** Locks of one browser: those of a tab end with it. */
class Locks {
  constructor() {
    this.held = new Set();
  }

  /** A tab's own view of them. */
  tab() {
    /** @type {string[]} */
    const mine = [];
    const request = async (
      /** @type {string} */ name,
      /** @type {object} */ _,
      /** @type {(lock: object | null) => Promise<void> | undefined} */ use,
    ) => {
      if (this.held.has(name)) return use(null);
      this.held.add(name);
      mine.push(name);
      await use({ name });
      this.held.delete(name);
    };
    const die = () => {
      for (const name of mine) this.held.delete(name);
    };
    return { locks: /** @type {any} */ ({ request }), die };
  }
}

/** @param {AnswerDraft} draft */
const reply = (draft, text = "yes") => draft.act({ kind: "reply", remark: "a", text });

/** @param {AnswerDraft} draft */
const ids = (draft) => draft.work.log.map((one) => one.id);

/** Let all promises and the given time pass. @param {TestContext} t @param {number} [ms] */
const pass = async (t, ms = 0) => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  if (ms) t.mock.timers.tick(ms);
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/**
 * A tab on the task, in a browser with `store` and `locks`.
 * @param {LabelServer} server
 * @param {{ store?: Store, locks?: Locks, logIn?: () => Promise<void> }} [about]
 */
const openTab = async (server, { store = memoryStore(), locks = new Locks(), logIn } = {}) => {
  const tab = locks.tab();
  const draft = await openDraft(structuredClone(data), {
    store,
    locks: tab.locks,
    fetch: server.fetch,
    logIn: logIn ?? (async () => {}),
  });
  return { draft, die: tab.die };
};

test("what is done is sent at once, and saved only when the server says so", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new LabelServer();
  const { draft } = await openTab(server);
  assert.equal(draft.outcome, "open");
  const done = reply(draft);
  assert.deepEqual([draft.outbox.state.status, draft.outbox.state.waiting], ["saving", 1]);
  await pass(t);
  assert.deepEqual([draft.outbox.state.status, draft.outbox.state.waiting], ["saved", 0]);
  assert.deepEqual(
    server.log.map((one) => one.id),
    [done?.id],
  );
  assert.equal(server.log[0].after, undefined);
});

test("what changes nothing is not sent", async () => {
  const server = new LabelServer();
  const { draft } = await openTab(server);
  assert.equal(draft.act({ kind: "set", person: "9", second: 1, answers: {} }), null);
  assert.equal(draft.undo(), null);
  assert.deepEqual(ids(draft), []);
});

test("undo and redo are operations of the log", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new LabelServer();
  const { draft } = await openTab(server);
  reply(draft, "one");
  reply(draft, "two");
  draft.undo();
  draft.undo();
  assert.equal(draft.work.replies.size, 0);
  draft.redo();
  assert.equal(draft.work.replies.get("a"), "one");
  await pass(t);
  assert.deepEqual(
    server.log.map((one) => one.kind),
    ["reply", "reply", "undo", "undo", "redo"],
  );
});

test("offline is said, and everything arrives when the network is back", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new LabelServer();
  const { draft } = await openTab(server);
  server.fate = () => "request lost";
  for (let n = 0; n < 5; n += 1) reply(draft, `${n}`);
  await pass(t);
  assert.deepEqual([draft.outbox.state.status, draft.outbox.state.waiting], ["offline", 5]);
  server.fate = () => "restarting";
  await pass(t, 1000);
  assert.equal(draft.outbox.state.status, "offline");
  assert.match(draft.outbox.state.message, /starting/);
  server.fate = () => "whole";
  await pass(t, 2000);
  assert.deepEqual([draft.outbox.state.status, draft.outbox.state.waiting], ["saved", 0]);
  assert.deepEqual(
    server.log.map((one) => one.id),
    ids(draft),
  );
});

test("an ended session asks for a log-in and then goes on", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new LabelServer();
  /** @type {() => void} */
  let loggedIn = () => {};
  const logIn = () =>
    new Promise((/** @type {(value: void) => void} */ resolve) => (loggedIn = resolve));
  const { draft } = await openTab(server, { logIn });
  server.fate = () => "ended";
  reply(draft);
  await pass(t);
  assert.equal(draft.outbox.state.status, "log in");
  server.fate = () => "whole";
  loggedIn();
  await pass(t);
  assert.equal(draft.outbox.state.status, "saved");
  assert.equal(server.log.length, 1);
});

test("a batch is never larger than a browser sends while its page closes", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new LabelServer();
  const { draft } = await openTab(server);
  server.fate = () => "request lost";
  for (let n = 0; n < 200; n += 1) reply(draft, `${n} ${"x".repeat(1900)}`);
  await pass(t);
  server.fate = () => "whole";
  await pass(t, 60_000);
  assert.equal(server.log.length, 200);
  assert.ok(server.largest < 64 * 1024, `${server.largest} bytes`);
});

test("a tab that crashed is found again with what it had not sent", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new LabelServer();
  const [store, locks] = [memoryStore(), new Locks()];
  const before = await openTab(server, { store, locks });
  reply(before.draft, "saved");
  await pass(t);
  server.fate = () => "request lost";
  reply(before.draft, "not sent");
  await pass(t);
  before.die();
  server.fate = () => "whole";
  const { draft } = await openTab(server, { store, locks });
  await pass(t);
  assert.equal(draft.outcome, "open");
  assert.equal(draft.work.replies.get("a"), "not sent");
  assert.deepEqual(
    server.log.map((one) => one.id),
    ids(before.draft),
  );
});

test("what a crashed tab had sent without hearing of it is not doubled", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new LabelServer();
  const [store, locks] = [memoryStore(), new Locks()];
  const before = await openTab(server, { store, locks });
  server.fate = () => "answer lost";
  reply(before.draft, "one");
  await pass(t);
  reply(before.draft, "two");
  before.die();
  server.fate = () => "whole";
  const { draft } = await openTab(server, { store, locks });
  await pass(t);
  assert.deepEqual(
    server.log.map((one) => one.id),
    ids(before.draft),
  );
  assert.deepEqual(ids(draft), ids(before.draft));
});

test("a page that ends before its queue is written is gone on with, twice over", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new LabelServer();
  const [kept, locks] = [memoryStore(), new Locks()];
  const store = { ...kept, remove: async () => {} }; // the page ends before
  /** @type {string[]} */
  const all = [];
  for (const life of [1, 2, 3]) {
    const { draft, die } = await openTab(server, { store, locks });
    assert.equal(draft.outcome, "open", `life ${life}`);
    assert.deepEqual(ids(draft), all);
    reply(draft, `${life} written`);
    await pass(t);
    store.put = async () => {};
    reply(draft, `${life} only sent`);
    await pass(t);
    store.put = kept.put;
    all.splice(0, all.length, ...ids(draft));
    die();
  }
  assert.deepEqual(
    server.log.map((one) => one.id),
    all,
  );
});

test("a second tab is told, takes over, and the first one keeps its own", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new LabelServer();
  const first = (await openTab(server)).draft;
  reply(first, "shared");
  await pass(t);
  const second = (await openTab(server)).draft;
  assert.equal(second.outcome, "held");
  assert.equal(second.held?.count, 1);
  assert.equal(second.work.replies.get("a"), "shared");
  assert.equal(reply(second), null);
  await second.takeOver();
  assert.equal(second.outcome, "open");
  const theirs = reply(second, "theirs");
  await pass(t);
  const mine = reply(first, "mine");
  await pass(t);
  assert.deepEqual([first.outcome, first.outbox.state.status], ["taken over", "taken over"]);
  assert.equal(reply(first), null);
  await first.keepMine();
  await pass(t);
  assert.equal(first.outcome, "open");
  assert.equal(server.log.at(-1)?.id, mine?.id);
  assert.deepEqual(
    server.discarded.map((one) => one.id),
    [theirs?.id],
  );
  reply(second);
  await pass(t);
  assert.equal(second.outcome, "taken over");
});

test("the first tab discards its own, which stays readable", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new LabelServer();
  const first = (await openTab(server)).draft;
  const second = (await openTab(server)).draft;
  await second.takeOver();
  reply(second, "theirs");
  await pass(t);
  const mine = reply(first, "mine");
  await pass(t);
  let isReloaded = false;
  first.addEventListener("reloaded", () => {
    isReloaded = true;
  });
  await first.discardMine();
  assert.ok(isReloaded);
  assert.equal(first.work.replies.get("a"), "theirs");
  assert.deepEqual(
    server.discarded.map((one) => one.id),
    [mine?.id],
  );
  assert.deepEqual([first.outcome, first.outbox.state.waiting], ["open", 0]);
});

test("a crashed tab that was taken over meanwhile asks, and merges nothing by itself", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new LabelServer();
  const [store, locks] = [memoryStore(), new Locks()];
  const before = await openTab(server, { store, locks });
  server.fate = () => "request lost";
  const lost = reply(before.draft, "lost");
  await pass(t);
  before.die();
  server.fate = () => "whole";
  const other = (await openTab(server)).draft;
  await other.takeOver();
  const theirs = reply(other, "theirs");
  await pass(t);
  await other.close();
  const { draft } = await openTab(server, { store, locks });
  assert.equal(draft.outcome, "taken over");
  assert.equal(draft.work.replies.get("a"), "lost");
  await draft.keepMine();
  await pass(t);
  assert.deepEqual(
    server.log.map((one) => one.id),
    [lost?.id],
  );
  assert.deepEqual(
    server.discarded.map((one) => one.id),
    [theirs?.id],
  );
});

test("submitting waits until all is saved", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new LabelServer();
  const { draft } = await openTab(server);
  server.fate = () => "request lost";
  reply(draft);
  await pass(t);
  const submitted = draft.submit();
  await pass(t);
  assert.ok(!server.isSubmitted);
  server.fate = () => "whole";
  await pass(t, 60_000);
  assert.deepEqual(await submitted, { version: 1 });
  assert.equal(server.log.length, 1);
  assert.equal(reply(draft), null);
});

test("whatever fails, in whatever order, the log of the server is that of the page", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (let seed = 1; seed <= 25; seed += 1) {
    const random = generator(seed);
    const server = new LabelServer();
    /** @type {Fate[]} */
    const fates = ["whole", "whole", "request lost", "answer lost", "twice", "ended", "restarting"];
    const faulty = () => fates[Math.floor(random() * fates.length)];
    const [store, locks] = [memoryStore(), new Locks()];
    let tab = await openTab(server, { store, locks });
    /** @type {string[]} */
    const done = [];
    server.fate = faulty;
    for (let n = 0; n < 40; n += 1) {
      const operation = random() < 0.2 ? null : reply(tab.draft, `${n}`);
      if (operation) done.push(operation.id);
      else if (tab.draft.undo()) done.push(tab.draft.work.log.at(-1)?.id ?? "");
      if (random() < 0.5) await pass(t, random() < 0.3 ? 30_000 : 0);
      if (random() < 0.1) {
        tab.die();
        tab.draft.outbox.stop("offline", "the tab is gone");
        server.fate = () => "whole";
        tab = await openTab(server, { store, locks });
        server.fate = faulty;
      }
    }
    server.fate = () => "whole";
    await pass(t, 60_000);
    assert.deepEqual(
      server.log.map((one) => one.id),
      done,
      `seed ${seed}`,
    );
    assert.deepEqual(ids(tab.draft), done, `seed ${seed}`);
    assert.equal(tab.draft.outbox.state.status, "saved");
  }
});

/** Random numbers from 0 to 1 (mulberry32). @param {number} seed */
const generator = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
};
