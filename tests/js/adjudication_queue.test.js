// The queue of open items: static/qc/adjudication_queue.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import { AdjudicationQueue, keysWith } from "../../static/qc/adjudication_queue.js";

/** @type {(second: number, sameVotes?: number[]) => { key: string, sameVotes: number[] }} */
const makeItem = (second, sameVotes = []) => ({
  key: `aisle-c0000.1.posture.${second}`,
  sameVotes,
});
/** @param {{ key: string }[]} items */
const seconds = (items) => items.map(({ key }) => Number(key.split(".").at(-1)));

test("a decision takes the keyframes decided with it out of the queue", () => {
  const queue = new AdjudicationQueue(makeItem(2).key);
  queue.add([makeItem(3), makeItem(4), makeItem(5)]);
  const decision = queue.decide(makeItem(2), [3, 4]);
  assert.deepEqual(decision.keys, keysWith("aisle-c0000.1.posture.2", [3, 4]));
  assert.deepEqual(seconds(queue.upcoming), [5]);
  assert.equal(queue.decidedCount, 3);
});

test("an item decided while it was fetched is not shown again", () => {
  const queue = new AdjudicationQueue(makeItem(2).key);
  queue.decide(makeItem(2), [3]);
  assert.deepEqual(seconds(queue.add([makeItem(3), makeItem(4)])), [4]);
  assert.equal(queue.lastKey, makeItem(4).key);
});

test("items are fetched while few are left, until the server has no more", () => {
  const queue = new AdjudicationQueue(makeItem(2).key);
  assert.equal(queue.isLow, true);
  queue.add([3, 4, 5, 6, 7, 8].map((second) => makeItem(second)));
  assert.equal(queue.isLow, false);
  queue.next();
  assert.equal(queue.isLow, true);
  queue.add([]);
  assert.equal(queue.isLow, false);
});

test("a reopened decision is undone and what follows it is fetched anew", () => {
  const queue = new AdjudicationQueue(makeItem(2).key);
  queue.add([makeItem(3), makeItem(4)]);
  const decision = queue.decide(makeItem(2), [3]);
  const { generation } = queue;
  queue.reopen(decision);
  assert.equal(queue.decidedCount, 0);
  assert.equal(queue.lastKey, makeItem(2).key);
  assert.equal(queue.next(), null);
  assert.notEqual(queue.generation, generation);
  assert.deepEqual(seconds(queue.add([makeItem(3)])), [3]);
});
