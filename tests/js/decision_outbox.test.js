// Decisions on their way to the server: static/qc/decision_outbox.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStore } from "../../static/js/queues.js";
import { openDecisions, outboxText } from "../../static/qc/decision_outbox.js";

const about = { url: "entries", kind: "open", subject: "adjudicate 1 2" };

/** A server that stores decisions by id, as qc/views/adjudication.py does. */
class Server {
  constructor() {
    /** @type {Map<string, any>} */
    this.stored = new Map();
    this.isThere = true;
    this.requests = 0;
    this.refusedSecond = "";
  }

  /** @type {(url: string, options: RequestInit) => Promise<Response>} */
  fetch = async (_, { body }) => {
    this.requests += 1;
    if (!this.isThere) throw new TypeError("no network");
    const { entries } = JSON.parse(/** @type {string} */ (body));
    /** @type {Record<string, string>} */
    const refused = {};
    for (const entry of entries) {
      if (entry.fields?.[0][1] === this.refusedSecond) refused[entry.id] = "nobody there";
      else if (entry.undoes) this.stored.delete(entry.undoes);
      else if (!this.stored.has(entry.id)) this.stored.set(entry.id, entry.fields);
    }
    const last = entries.at(-1).number;
    const content = { last, saved_at: null, count: 9 - this.stored.size, refused };
    return new Response(JSON.stringify(content));
  };
}

/** @param {string} second */
const formOf = (second) => {
  const form = new FormData();
  form.append("second", second);
  return form;
};

test("decisions made while the server is away are sent by the next page", async () => {
  const [server, store] = [new Server(), memoryStore()];
  server.isThere = false;
  const first = await openDecisions(about, { store, fetch: server.fetch });
  for (const second of ["2", "3", "4"]) first.decide([`c.1.g.${second}`], formOf(second));
  assert.equal(first.waitingCount, 3);
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(first.state.status, "offline");
  assert.match(outboxText(first.state), /3 decisions kept in this browser/);
  first.outbox.stop("offline", ""); // the tab is closed

  server.isThere = true;
  const then = Date.now;
  Date.now = () => then() + 120_000; // the closed tab is silent
  const second = await openDecisions(about, { store, fetch: server.fetch });
  Date.now = then;
  assert.deepEqual([...second.keysLeft], ["c.1.g.2", "c.1.g.3", "c.1.g.4"]);
  await second.outbox.settle();
  assert.deepEqual(
    [...server.stored.values()],
    [[["second", "2"]], [["second", "3"]], [["second", "4"]]],
  );
});

test("what waits is taken from the count of the server, what is undone is not", async () => {
  const server = new Server();
  server.isThere = false;
  const decisions = await openDecisions(about, { store: memoryStore(), fetch: server.fetch });
  const id = decisions.decide(["c.1.g.2", "c.1.g.3"], formOf("2"));
  decisions.decide(["c.1.g.4"], formOf("4"));
  assert.equal(decisions.waitingCount, 3);
  decisions.undo(id, ["c.1.g.2", "c.1.g.3"]);
  assert.equal(decisions.waitingCount, 1);
  server.isThere = true;
  await decisions.outbox.retry();
  await decisions.outbox.settle();
  assert.equal(decisions.waitingCount, 0);
  assert.deepEqual([...server.stored.values()], [[["second", "4"]]]);
});

test("a refused decision is told, and those after it are stored", async () => {
  const server = new Server();
  const decisions = await openDecisions(about, { store: memoryStore(), fetch: server.fetch });
  /** @type {any[]} */
  const answers = [];
  decisions.addEventListener("answered", (event) => {
    answers.push(/** @type {CustomEvent} */ (event).detail);
  });
  server.refusedSecond = "2";
  const refused = decisions.decide(["c.1.g.2"], formOf("2"));
  decisions.decide(["c.1.g.3"], formOf("3"));
  await decisions.outbox.settle();
  assert.deepEqual(Object.assign({}, ...answers.map((one) => one.refused)), {
    [refused]: "nobody there",
  });
  assert.equal(server.stored.size, 1);
  assert.equal(answers.at(-1).count, 8);
});
