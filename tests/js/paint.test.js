// Name tags of boxes: static/player/paint.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import { placeTag } from "../../static/player/paint.js";

const canvas = { width: 640, height: 360 };
const tag = { width: 60, height: 20 };
const box = { x: 100, y: 100, width: 50, height: 80 };

test("a tag is above its box, or below it where there is no room", () => {
  assert.deepEqual(placeTag(box, tag, canvas, [], false), { x: 100, y: 80 });
  assert.deepEqual(placeTag({ ...box, y: 5 }, tag, canvas, [], false), { x: 100, y: 85 });
  assert.deepEqual(placeTag(box, tag, canvas, [], true), { x: 100, y: 180 });
});

test("a tag keeps clear of those that are drawn already", () => {
  const above = { x: 90, y: 70, width: 60, height: 20 };
  assert.deepEqual(placeTag(box, tag, canvas, [above], false), { x: 100, y: 180 });
  const below = { x: 90, y: 170, width: 60, height: 20 };
  assert.deepEqual(placeTag(box, tag, canvas, [above, below], false), { x: 150, y: 100 });
});

test("a tag stays on the canvas, over the box if that fills it", () => {
  assert.deepEqual(placeTag({ ...box, x: 620 }, tag, canvas, [], false), { x: 580, y: 80 });
  const all = { x: 0, y: 0, width: 640, height: 360 };
  assert.deepEqual(placeTag(all, tag, canvas, [], false), { x: 0, y: 0 });
});
