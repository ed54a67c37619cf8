// The walk through a task of the label page: static/annotation/label/walk.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  choiceAt,
  groupAfter,
  groupToOpen,
  isDone,
  keepOf,
  neighbour,
  nextOpenPerson,
  placeAfter,
  secondsAhead,
  secondToOpen,
} from "../../static/annotation/label/walk.js";
import { acting, GROUPS, makeWork } from "./label_work.js";

const FIRST = { person: "1", second: 1 };
const WALK = { posture: "walk", doing: [] };

test("an answer is proposed at the keyframes after it, and none in optional groups of many", () => {
  const work = makeWork();
  acting(work)({ kind: "set", ...FIRST, answers: { posture: "walk" } });
  const [posture, doing, dress] = GROUPS;
  assert.deepEqual(choiceAt(work, posture, FIRST), { answer: "walk", origin: "set" });
  assert.deepEqual(choiceAt(work, posture, { person: "1", second: 2 }), {
    answer: "walk",
    origin: "proposed",
  });
  assert.deepEqual(choiceAt(work, doing, FIRST), { answer: [], origin: "proposed" });
  assert.deepEqual(choiceAt(work, dress, FIRST), { answer: "unset", origin: "unset" });
});

test("Enter names the required group without an answer", () => {
  assert.deepEqual(keepOf(makeWork(), GROUPS, FIRST, 1), { missing: 0 });
});

test("Enter accepts what is dashed: none at the first keyframe, later what held before", () => {
  const work = makeWork();
  const act = acting(work);
  act({ kind: "set", ...FIRST, answers: { posture: "walk" } });
  const plan = keepOf(work, GROUPS, FIRST, 1);
  assert.deepEqual(plan, { kind: "keep", person: "1", first: 1, last: 1, answers: { doing: [] } });
  act(plan);
  assert.ok(isDone(work, "1", 1));
  const next = keepOf(work, GROUPS, { person: "1", second: 2 }, 2);
  assert.deepEqual(next, { kind: "keep", person: "1", first: 2, last: 2, answers: {} });
});

test("the walk goes through one person, then to the next that is open", () => {
  const work = makeWork();
  const act = acting(work);
  assert.deepEqual(placeAfter(work, FIRST), { person: "1", second: 2 });
  assert.deepEqual(placeAfter(work, { person: "1", second: 4 }), { person: "2", second: 2 });
  act({ kind: "set", person: "2", second: 2, answers: WALK });
  assert.deepEqual(nextOpenPerson(work, "1"), { person: "2", second: 3 });
  act({ kind: "keep", person: "2", first: 2, last: 3 });
  assert.deepEqual(nextOpenPerson(work, "2"), FIRST);
  act({ kind: "keep", person: "1", first: 1, last: 4, answers: WALK });
  assert.equal(nextOpenPerson(work, "1"), null);
  assert.equal(placeAfter(work, { person: "1", second: 4 }), null);
});

test("kept to the end and changed later, the change holds from there on", () => {
  const work = makeWork();
  const act = acting(work);
  act({ kind: "set", ...FIRST, answers: { posture: "walk" } });
  act(keepOf(work, GROUPS, FIRST, 4));
  act({ kind: "set", person: "1", second: 3, answers: { posture: "sit" } });
  const postures = [1, 2, 3, 4].map(
    (second) => choiceAt(work, GROUPS[0], { person: "1", second }).answer,
  );
  assert.deepEqual(postures, ["walk", "walk", "sit", "sit"]);
  assert.ok([1, 2, 3, 4].every((second) => isDone(work, "1", second)));
});

test("a person opens at the first open keyframe, or near the one before", () => {
  const work = makeWork();
  assert.equal(secondToOpen(work, "1", 3), 1);
  acting(work)({ kind: "keep", person: "1", first: 1, last: 4, answers: WALK });
  assert.equal(secondToOpen(work, "1", 3), 3);
  assert.equal(secondToOpen(work, "1", 9), 4);
});

test("up and down go to the neighbours and stop at the ends", () => {
  const work = makeWork();
  assert.deepEqual(neighbour(work, FIRST, 1), { person: "2", second: 2 });
  assert.equal(neighbour(work, FIRST, -1), null);
  assert.equal(neighbour(work, { person: "2", second: 2 }, 1), null);
});

test("after an answer the next group that was never answered opens", () => {
  const work = makeWork();
  const act = acting(work);
  assert.equal(groupToOpen(work, GROUPS, FIRST, 0), 0);
  act({ kind: "set", ...FIRST, answers: { posture: "walk" } });
  assert.equal(groupAfter(work, GROUPS, FIRST, 0), 1);
  act({ kind: "set", ...FIRST, answers: { doing: [], dress: "coat" } });
  assert.equal(groupAfter(work, GROUPS, FIRST, 2), 2);
  assert.equal(groupToOpen(work, GROUPS, { person: "1", second: 2 }, 1), 1);
});

test("what is likely next is fetched first: later keyframes, then where other persons begin", () => {
  const work = makeWork();
  assert.deepEqual(secondsAhead(work, { person: "1", second: 2 }), [2, 3, 4, 1]);
  assert.deepEqual(secondsAhead(work, { person: "2", second: 3 }), [3, 1, 2]);
});
