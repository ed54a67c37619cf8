// Geometry of boxes and frames: static/player/geometry.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  clipBox,
  heldSides,
  moveSides,
  placeVideo,
  roundBox,
  toVideo,
  zoomForBox,
} from "../../static/player/geometry.js";

const video = { width: 320, height: 180 };

test("a video is fitted into the canvas and centred", () => {
  const placement = placeVideo({
    canvas: { width: 640, height: 400 },
    video,
    ratio: 2,
    zoom: 1,
    centre: null,
  });
  assert.deepEqual(placement, { ratio: 2, scale: 2, left: 0, top: 20 });
  assert.deepEqual(toVideo(placement, 320, 200), [160, 90]);
});

test("a zoomed video leaves no empty strip at its border", () => {
  const canvas = { width: 320, height: 180 };
  const place = (/** @type {[number, number]} */ centre) =>
    placeVideo({ canvas, video, ratio: 1, zoom: 2, centre });
  assert.deepEqual(place([160, 90]), { ratio: 1, scale: 2, left: -160, top: -90 });
  assert.deepEqual(place([0, 0]), { ratio: 1, scale: 2, left: 0, top: 0 });
  assert.deepEqual(place([320, 180]), { ratio: 1, scale: 2, left: -320, top: -180 });
});

test("the zoom for a box gives it its share of the height", () => {
  assert.equal(zoomForBox([0, 0, 20, 45], video, 0.5), 2);
  assert.equal(zoomForBox([0, 0, 160, 10], video, 0.5), 1); // a wide one its share of the width
});

test("a press holds the sides it is near, all four inside, none outside", () => {
  assert.deepEqual(heldSides([100, 50, 200, 150], [101, 100], 5), [1, 0, 0, 0]);
  assert.deepEqual(heldSides([100, 50, 200, 150], [198, 152], 5), [0, 0, 1, 1]);
  assert.deepEqual(heldSides([100, 50, 200, 150], [150, 100], 5), [1, 1, 1, 1]);
  assert.equal(heldSides([100, 50, 200, 150], [90, 100], 5), null);
});

test("a box is moved inside the video alone", () => {
  assert.deepEqual(moveSides([10, 10, 30, 40], [5, -5, 5, -5], video), [15, 5, 35, 35]);
  assert.equal(moveSides([10, 10, 30, 40], [-11, 0, -11, 0], video), null);
});

test("a side stops at the border, and 4 pixels before the opposite side", () => {
  assert.deepEqual(moveSides([10, 10, 30, 40], [-20, 0, 0, 0], video), [0, 10, 30, 40]);
  assert.deepEqual(moveSides([10, 10, 30, 40], [0, 0, -16, 0], video), [10, 10, 14, 40]);
  assert.equal(moveSides([10, 10, 30, 40], [0, 0, -17, 0], video), null);
});

test("boxes are clipped to the video and rounded to one decimal", () => {
  assert.deepEqual(clipBox([-5, 10, 400, 200], video), [0, 10, 320, 180]);
  assert.deepEqual(roundBox([1.04, 1.06, 2, 3.333]), [1, 1.1, 2, 3.3]);
});
