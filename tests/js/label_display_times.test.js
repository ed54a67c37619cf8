import assert from "node:assert/strict";
import { test } from "node:test";

import { DisplayTimes } from "../../static/annotation/label/display_times.js";

/** Times whose clock stands still until it is moved. */
const makeTimes = () => {
  const clock = { now: 5000 };
  const times = new DisplayTimes(() => clock.now);
  /** @param {number} second @param {number} ms @param {string} person */
  const stay = (second, ms, person = "1") => {
    times.show({ person, second });
    clock.now += ms;
  };
  return { times, stay };
};

test("a keyframe has been on display since it was shown, and all stays count", () => {
  const { times, stay } = makeTimes();
  stay(3, 400);
  assert.equal(times.of("1", 3, 3), 400);
  stay(4, 250);
  stay(3, 100.4);
  assert.equal(times.of("1", 3, 3), 500);
  assert.equal(times.of("1", 4, 4), 250);
  assert.equal(times.of("2", 3, 3), 0);
});

test("showing the same place again starts no new stay", () => {
  const { times, stay } = makeTimes();
  stay(3, 400);
  stay(3, 400);
  assert.equal(times.of("1", 3, 3), 800);
});

test("whoever was away for long has looked for a minute at most", () => {
  const { times, stay } = makeTimes();
  stay(3, 3_600_000);
  assert.equal(times.of("1", 3, 3), 60_000);
  times.show(null);
  assert.equal(times.of("1", 3, 3), 60_000);
});

test("a segment that was stepped through has been on display with all its keyframes", () => {
  const { times, stay } = makeTimes();
  for (const second of [0, 1, 2]) stay(second, 300);
  stay(0, 100);
  const kept = { kind: "keep", person: "1", first: 0, last: 7, answers: {} };
  assert.deepEqual(times.timed(kept), { ...kept, shown: 1000 });
});

test("an answer says how long its keyframe was shown; other operations say nothing", () => {
  const { times, stay } = makeTimes();
  stay(2, 700);
  const set = { kind: "set", person: "1", second: 2, answers: { posture: "sit" } };
  assert.deepEqual(times.timed(set), { ...set, shown: 700 });
  const clear = { kind: "clear", person: "1", second: 2, groups: ["posture"] };
  assert.deepEqual(times.timed(clear), clear);
});
