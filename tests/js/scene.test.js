// Scenes and box paths: static/player/scene.js, static/player/paths.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import { keyframePath, trackPath } from "../../static/player/paths.js";
import { makePerson, makeScene } from "./scenes.js";

/** @import { Box } from "../../static/player/geometry.js" */

test("a track is known at its frames alone, and interpolated where it has no score", () => {
  /** @type {Box[]} */
  const boxes = [
    [0, 0, 10, 20],
    [1, 0, 11, 20],
  ];
  const path = trackPath([{ start: 5, boxes, scores: [0.9, null] }], 10);
  assert.equal(path.at(4), null);
  assert.deepEqual(path.at(5), { box: [0, 0, 10, 20], isInterpolated: false });
  assert.deepEqual(path.at(6), { box: [1, 0, 11, 20], isInterpolated: true });
  assert.equal(path.at(7), null);
  assert.equal(path.at(10), null);
});

test("between two keyframes a box is linear, and half a second beyond one it stands still", () => {
  /** @type {Record<number, Box>} */
  const known = { 1: [0, 0, 10, 20], 2: [30, 0, 40, 20] };
  const path = keyframePath((second) => known[second] ?? null, 120, 30);
  assert.equal(path.at(14), null);
  assert.deepEqual(path.at(15), { box: [0, 0, 10, 20], isInterpolated: true });
  assert.deepEqual(path.at(30), { box: [0, 0, 10, 20], isInterpolated: false });
  assert.deepEqual(path.at(40), { box: [10, 0, 20, 20], isInterpolated: true });
  assert.deepEqual(path.at(74), { box: [30, 0, 40, 20], isInterpolated: true });
  assert.equal(path.at(75), null);
});

test("a scene knows its annotators and persons in order, tracked or drawn", () => {
  const label = { actions: [], rule: "", votes: { kim: "walk" } };
  const drawn = { lee: /** @type {Box} */ ([0, 0, 9, 9]) };
  const scene = makeScene({
    persons: [{ number: 7, label: "P7", parts: [] }],
    answers: {
      3: { 10001: makePerson({ drawn }) },
      2: { 7: makePerson({ labels: { posture: label } }) },
    },
  });
  assert.deepEqual(scene.annotators, ["kim", "lee"]);
  assert.deepEqual(scene.personNumbers, [7, 10_001]);
  assert.deepEqual(scene.answeredSeconds, [2, 3]);
  assert.equal(scene.personName(7), "P7");
  assert.equal(scene.personName(10_001), "new person 2");
  assert.equal(scene.personName(1_000_000_000), "new person");
});

test("what is no person is named with its class", () => {
  const scene = makeScene({ classes: { 4: "vehicle" }, answers: { 2: { 4: makePerson() } } });
  assert.equal(scene.personName(4), "P4 vehicle");
  assert.equal(scene.personName(5), "P5");
  scene.classes[1_000_000_000] = "vehicle";
  assert.equal(scene.personName(1_000_000_000), "new vehicle");
});

test("the box of a drawn person is that of the consensus, until it is edited", () => {
  const scene = makeScene({ answers: { 2: { 10000: makePerson() } } });
  assert.deepEqual(scene.boxOf(10_000, 60)?.box, [10, 10, 30, 50]);
  scene.setConsensusBox(2, 10_000, [0, 0, 5, 5]);
  assert.deepEqual(scene.boxOf(10_000, 60)?.box, [0, 0, 5, 5]);
});

test("a person whom the consensus dropped has no box", () => {
  const scene = makeScene({ answers: { 2: { 10000: makePerson({ status: "dropped" }) } } });
  assert.equal(scene.boxOf(10_000, 60), null);
});

test("a keyframe stands for the frames within half a second", () => {
  const scene = makeScene();
  assert.equal(scene.keyframeOf(44), null);
  assert.equal(scene.keyframeOf(45), 2);
  assert.equal(scene.keyframeOf(74), 2);
  assert.deepEqual(scene.framesOfSecond(2), { start: 45, stop: 75 });
  assert.deepEqual(scene.framesOfSecond(0), { start: 0, stop: 15 });
});

test("keyframes are stepped to in both directions, and no further than there are", () => {
  const scene = makeScene();
  assert.equal(scene.nextKeyframe(0, 1), 60);
  assert.equal(scene.nextKeyframe(60, 1), 90);
  assert.equal(scene.nextKeyframe(90, 1), undefined);
  assert.equal(scene.nextKeyframe(61, -1), 60);
});

test("a loop lasts 3 s around the nearest full second, inside the clip", () => {
  const scene = makeScene();
  assert.deepEqual(scene.loopAround(61), { start: 15, stop: 105 });
  assert.deepEqual(scene.loopAround(0), { start: 0, stop: 45 });
  assert.deepEqual(scene.loopAround(149), { start: 105, stop: 150 });
});
