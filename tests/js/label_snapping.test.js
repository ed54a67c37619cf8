// Snapping a drawn box to a detection: static/annotation/label/snapping.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestDetection } from "../../static/annotation/label/snapping.js";

/** @import { Box } from "../../static/player/geometry.js" */

test("a box that covers a detection becomes it; another stays as drawn", () => {
  /** @type {Box[]} */
  const detections = [
    [100, 100, 150, 200],
    [300, 100, 350, 200],
  ];
  assert.deepEqual(nearestDetection(detections, [296, 104, 352, 206]), detections[1]);
  assert.equal(nearestDetection(detections, [200, 100, 250, 200]), null);
  assert.equal(nearestDetection(detections, [100, 100, 150, 140]), null); // IoU 0.4
  assert.equal(nearestDetection([], [0, 0, 10, 10]), null);
});
