// Answers, disagreements and segments: static/player/answers.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  answerSegments,
  answerText,
  disputedSeconds,
  findDisagreements,
  groupLabel,
  nextDisagreement,
} from "../../static/player/answers.js";
import { makePerson, makeScene } from "./scenes.js";

/** @param {Record<string, import("../../static/player/scene.js").Answer>} votes */
const posture = (votes, rule = "majority") => ({ posture: { actions: [], rule, votes } });

test("answers and groups are written as text", () => {
  assert.equal(answerText(["walk", "wave"]), "walk, wave");
  assert.equal(answerText([]), "none");
  assert.equal(answerText("unset"), "");
  assert.equal(answerText(null), "");
  assert.equal(groupLabel("object_manipulation"), "Object manipulation");
});

const scene = makeScene({
  keyframes: [1, 2, 3, 4],
  answers: {
    1: { 1: makePerson({ labels: posture({ kim: "walk", lee: "sit" }) }), 2: makePerson() },
    2: { 1: makePerson({ labels: posture({ kim: "walk", lee: "unset" }) }) },
    3: { 2: makePerson({ status: "disputed" }), 1: makePerson({ labels: posture({}, "open") }) },
  },
});
const disagreements = findDisagreements(scene);

test("different answers, an open consensus and a disputed person are disagreements", () => {
  assert.deepEqual(disputedSeconds(disagreements, 1), [1, 3]);
  assert.deepEqual(disputedSeconds(disagreements, 2), [3]);
  assert.deepEqual(disputedSeconds(disagreements, 3), []);
});

test("the next disagreement goes by time, then by person", () => {
  /** @type {(second: number, number: number | null, by: number) => unknown} */
  const next = (second, number, by) => nextDisagreement(disagreements, { second, number }, by);
  assert.deepEqual(next(0, null, 1), { second: 1, number: 1 });
  assert.deepEqual(next(1, 1, 1), { second: 3, number: 1 });
  assert.deepEqual(next(3, 1, 1), { second: 3, number: 2 });
  assert.equal(next(3, 2, 1), null);
  assert.deepEqual(next(3, 2, -1), { second: 3, number: 1 });
  assert.deepEqual(next(2.5, 1, -1), { second: 1, number: 1 });
  assert.equal(next(0, null, -1), null);
});

test("equal answers of neighbouring keyframes are one segment", () => {
  const texts = ["", "walk", "walk", "sit"];
  assert.deepEqual(
    answerSegments(scene, (second) => texts[second], new Set([3])),
    [
      { text: "walk", isDisputed: false, start: 15, stop: 75 },
      { text: "sit", isDisputed: true, start: 75, stop: 105 },
    ],
  );
});

test("a gap between keyframes, and a dispute, part segments", () => {
  const sparse = makeScene({ answers: { 1: {}, 3: {}, 4: {} } });
  const segments = answerSegments(sparse, () => "walk", new Set([4]));
  assert.deepEqual(
    segments.map(({ start, stop }) => [start, stop]),
    [
      [15, 45],
      [75, 105],
      [105, 135],
    ],
  );
});
