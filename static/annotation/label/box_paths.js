// Box paths of the label page: shapes of a person, hidden stretches, drawing, merging. No DOM.
// Frames are clip frames, 0-based; shapes lie on the grid of annotation frames. Between two shapes
// the sides move linearly, as in CVAT. From a shape that is outside or end on, nobody is there until
// the next shape: outside was said, end is where drawing has stopped so far.
// annotation/core/box_paths.py says the same, and the tests give both the same cases.

import { iou } from "../../player/geometry.js";

/** @import { Box } from "../../player/geometry.js" */

/** @typedef {"inside" | "outside" | "end"} ShapeState */
/** @typedef {{ frame: number, box: Box, state: ShapeState, drawn: boolean }} PathShape */
/** @typedef {[number, number]} Stretch frames, the last exclusive */
/** @typedef {{ shapes: PathShape[], hidden: Stretch[] }} BoxPath shapes ascend by frame */
/** @typedef {{ frame: number, box: Box }} FrameBox */

const SNAP_IOU = 0.3; // of a detection with the box between two drawn ones

/**
 * Place of the last shape at or before a frame; -1 if there is none.
 * @param {PathShape[]} shapes
 * @param {number} frame
 */
const placeOf = (shapes, frame) => {
  let [low, high] = [0, shapes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (shapes[middle].frame <= frame) low = middle + 1;
    else high = middle;
  }
  return low - 1;
};

/**
 * The box at a frame, hidden or not; null before, between and after the shapes.
 * @param {PathShape[]} shapes
 * @param {number} frame
 * @returns {Box | null}
 */
const boxInShapes = (shapes, frame) => {
  const place = placeOf(shapes, frame);
  if (place < 0 || shapes[place].state !== "inside") return null;
  const here = shapes[place];
  if (here.frame === frame || place + 1 === shapes.length) return here.box;
  const after = shapes[place + 1];
  const share = (frame - here.frame) / (after.frame - here.frame);
  /** @param {number} side */
  const at = (side) => here.box[side] + share * (after.box[side] - here.box[side]);
  return [at(0), at(1), at(2), at(3)];
};

/**
 * The box at a frame; null where the person is not in the frame.
 * @param {BoxPath} path
 * @param {number} frame
 * @returns {Box | null}
 */
export const boxAt = ({ shapes, hidden }, frame) => {
  if (hidden.some(([start, stop]) => start <= frame && frame < stop)) return null;
  return boxInShapes(shapes, frame);
};

/**
 * @param {BoxPath} path
 * @param {number} frame
 */
const shapeAt = ({ shapes }, frame) => {
  const shape = shapes[placeOf(shapes, frame)];
  return shape?.frame === frame ? shape : null;
};

/**
 * Whether somebody drew the box of exactly this frame on the label page.
 * @param {BoxPath} path
 * @param {number} frame
 */
export const isDrawnAt = (path, frame) => shapeAt(path, frame)?.drawn ?? false;

/**
 * Draw a box. Where nobody was, the person is there at this annotation frame. Two boxes drawn one
 * after the other where nobody was are the ends of one stretch: the frames between are filled.
 * @param {BoxPath} path changed
 * @param {number} frame
 * @param {Box} box
 * @param {{ step: number, frameCount: number }} clip step: frames between annotation frames
 */
export const draw = (path, frame, box, { step, frameCount }) => {
  const { shapes } = path;
  let place = placeOf(shapes, frame);
  const before = place >= 0 ? shapes[place] : null;
  const wasAbsent = before === null || before.state !== "inside";
  if (before && (before.frame === frame || before.state === "end")) {
    shapes.splice(place, 1);
    place -= 1;
  }
  place += 1;
  shapes.splice(place, 0, { frame, box, state: "inside", drawn: true });
  const next = shapes[place + 1];
  if (!next && wasAbsent && frame + step < frameCount) {
    shapes.push({ frame: frame + step, box, state: "end", drawn: false });
  } else if (next?.state === "end") shapes[place + 1] = { ...next, box };
  const stretch = path.hidden.find(([start, stop]) => start <= frame && frame < stop);
  if (stretch) show(path, [frame, stretch[1]]);
};

/**
 * Set boxes between those that were drawn, as detections say.
 * @param {BoxPath} path changed
 * @param {FrameBox[]} boxes
 */
export const fill = ({ shapes }, boxes) => {
  for (const { frame, box } of boxes) {
    const place = placeOf(shapes, frame);
    if (shapes[place]?.frame === frame) continue;
    shapes.splice(place + 1, 0, { frame, box, state: "inside", drawn: false });
  }
};

/** @param {Stretch[]} stretches */
const joined = (stretches) => {
  /** @type {Stretch[]} */
  const found = [];
  for (const [start, stop] of stretches.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (start >= stop) continue;
    const last = found.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], stop);
    else found.push([start, stop]);
  }
  return found;
};

/**
 * The person is not in the frame there.
 * @param {BoxPath} path changed
 * @param {Stretch} stretch
 */
export const hide = (path, [start, stop]) => {
  path.hidden = joined([...path.hidden, [start, stop]]);
};

/**
 * The person is in the frame there, as far as there are shapes.
 * @param {BoxPath} path changed
 * @param {Stretch} stretch
 */
export const show = (path, [start, stop]) => {
  /** @type {Stretch[]} */
  const left = path.hidden.filter(([a]) => a < start).map(([a, b]) => [a, Math.min(b, start)]);
  /** @type {Stretch[]} */
  const right = path.hidden.filter(([, b]) => b > stop).map(([a, b]) => [Math.max(a, stop), b]);
  path.hidden = joined([...left, ...right]);
};

/**
 * The path of `a`, and that of `b` where `a` is not in the frame.
 * @param {BoxPath} a
 * @param {BoxPath} b
 * @param {{ step: number, frameCount: number }} clip
 * @returns {BoxPath}
 */
export const merged = (a, b, { step, frameCount }) => {
  /** @param {number} frame */
  const source = (frame) => [a, b].find((path) => boxAt(path, frame) !== null);
  const marks = new Set();
  for (const path of [a, b]) {
    for (const frame of [...path.shapes.map((one) => one.frame), ...path.hidden.flat()]) {
      if (frame < 0 || frame >= frameCount) continue;
      marks.add(frame);
      if (frame >= step && source(frame - step) !== source(frame)) marks.add(frame - step);
    }
  }
  /** @type {PathShape[]} */
  const shapes = [];
  for (const frame of [...marks].sort((one, other) => one - other)) {
    const path = source(frame);
    const box = path ? boxAt(path, frame) : null;
    const last = shapes.at(-1);
    if (path && box) {
      shapes.push({ frame, box, state: "inside", drawn: isDrawnAt(path, frame) });
    } else if (last?.state === "inside") {
      const isEnd = [a, b].some((one) => shapeAt(one, frame)?.state === "end");
      shapes.push({ frame, box: last.box, state: isEnd ? "end" : "outside", drawn: false });
    }
  }
  return { shapes, hidden: [] };
};

/**
 * Boxes between two drawn ones, where a detection lies near the straight line between them.
 * @param {Record<string, Box[]>} detections by frame
 * @param {FrameBox} from
 * @param {FrameBox} to
 * @param {number} step frames between annotation frames
 * @returns {FrameBox[]} for the field `fill` of an operation
 */
export const snapBetween = (detections, from, to, step) => {
  const [a, b] = from.frame < to.frame ? [from, to] : [to, from];
  /** @type {FrameBox[]} */
  const found = [];
  for (let frame = a.frame + step; frame < b.frame; frame += step) {
    const share = (frame - a.frame) / (b.frame - a.frame);
    /** @param {number} side */
    const at = (side) => a.box[side] + share * (b.box[side] - a.box[side]);
    /** @type {Box} */
    const line = [at(0), at(1), at(2), at(3)];
    /** @type {{ box: Box, overlap: number } | null} */
    let best = null;
    for (const box of detections[frame] ?? []) {
      const overlap = iou(box, line);
      if (overlap >= SNAP_IOU && overlap > (best?.overlap ?? 0)) best = { box, overlap };
    }
    if (best) found.push({ frame, box: best.box });
  }
  return found;
};
