// Work on a task of the label page, for tests: two persons, three groups, keyframes 1 to 4.

import { Labelling } from "../../static/annotation/label/segments.js";

/** @import { Box } from "../../static/player/geometry.js" */
/** @import { Group } from "../../static/annotation/label/answers.js" */
/** @import { LaneData } from "../../static/annotation/label/lane.js" */

/** @type {Group[]} */
export const GROUPS = [
  {
    name: "posture",
    choice: "one",
    required: true,
    max: 1,
    scope: "keyframe",
    actions: [{ name: "stand" }, { name: "walk" }, { name: "sit" }],
  },
  {
    name: "doing",
    choice: "many",
    required: false,
    max: 2,
    scope: "keyframe",
    actions: [{ name: "wave" }, { name: "carry" }, { name: "read" }],
  },
  {
    name: "dress",
    choice: "one",
    required: false,
    max: 1,
    scope: "person",
    actions: [{ name: "coat" }, { name: "suit" }],
  },
];

/**
 * @param {number | null} number
 * @param {number} from frame
 * @param {number} to frame, exclusive
 * @returns {LaneData}
 */
const lane = (number, from, to) => {
  /** @type {Box} */
  const box = [10, 10, 30, 50];
  return {
    number,
    shapes: [
      { frame: from, box, state: "inside", drawn: false },
      { frame: to, box, state: "outside", drawn: false },
    ],
    hidden: [],
    answers: {},
    once: {},
    seen: [],
    gone: "",
  };
};

let count = 0;

/** @param {Labelling} work */
export const acting = (work) => (/** @type {Record<string, unknown>} */ operation) => {
  count += 1;
  return work.apply({ kind: "", ...operation, id: `op-${count}` });
};

/** Persons 1 (keyframes 1 to 4) and 2 (keyframes 2 and 3), nothing answered. */
export const makeWork = () =>
  new Labelling({
    clip: { keyframes: [1, 2, 3, 4], frame_count: 150, step: 6, frame_rate: 30 },
    groups: GROUPS,
    start: { persons: { 1: lane(1, 0, 144), 2: lane(2, 60, 114) }, clip: {}, remarks: {} },
  });
