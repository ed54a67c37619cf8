// Box paths: the box of one person at every frame of a clip, computed once. No DOM.

/** @import { Box } from "./geometry.js" */

/** @typedef {{ box: Box, isInterpolated: boolean }} BoxAtFrame */

/**
 * Consecutive frames of one track.
 * @typedef {object} TrackPart
 * @property {number} start frame
 * @property {Box[]} boxes one per frame
 * @property {(number | null)[]} scores null where the tracker interpolated
 */

const KNOWN = 1;
const INTERPOLATED = 2;

export class BoxPath {
  /** @param {number} frameCount */
  constructor(frameCount) {
    this.sides = new Float64Array(4 * frameCount); // x1, y1, x2, y2 of each frame
    this.kinds = new Uint8Array(frameCount); // 0 where there is no box
  }

  /**
   * @param {number} frame frames outside the clip are ignored
   * @param {Box} box
   * @param {boolean} isInterpolated
   */
  set(frame, box, isInterpolated) {
    if (frame < 0 || frame >= this.kinds.length) return;
    this.sides.set(box, 4 * frame);
    this.kinds[frame] = isInterpolated ? INTERPOLATED : KNOWN;
  }

  /**
   * @param {number} frame
   * @returns {BoxAtFrame | null} null where there is no box, or no such frame
   */
  at(frame) {
    const kind = this.kinds[frame];
    if (!kind) return null;
    const [x1, y1, x2, y2] = this.sides.subarray(4 * frame, 4 * frame + 4);
    return { box: [x1, y1, x2, y2], isInterpolated: kind === INTERPOLATED };
  }
}

/**
 * The path of a track.
 * @param {TrackPart[]} parts
 * @param {number} frameCount
 */
export const trackPath = (parts, frameCount) => {
  const path = new BoxPath(frameCount);
  for (const { start, boxes, scores } of parts) {
    for (const [index, box] of boxes.entries())
      path.set(start + index, box, scores[index] === null);
  }
  return path;
};

/**
 * The path of boxes known at keyframes alone: linear between two of them, constant for half a
 * second beyond one.
 * @param {(second: number) => Box | null} boxAt
 * @param {number} frameCount
 * @param {number} frameRate frames per second
 */
export const keyframePath = (boxAt, frameCount, frameRate) => {
  const path = new BoxPath(frameCount);
  for (let second = 0; second * frameRate < frameCount; second += 1) {
    const [first, next] = [boxAt(second), boxAt(second + 1)];
    if (first) path.set(second * frameRate, first, false);
    for (let offset = 1; offset < frameRate; offset += 1) {
      const share = offset / frameRate;
      const nearest = share < 0.5 ? first : next;
      const box = first && next ? between(first, next, share) : nearest;
      if (box) path.set(second * frameRate + offset, box, true);
    }
  }
  return path;
};

/**
 * @param {Box} first
 * @param {Box} next
 * @param {number} share of the way from `first` to `next`
 * @returns {Box}
 */
const between = (first, next, share) => {
  /** @param {number} side */
  const at = (side) => first[side] + (next[side] - first[side]) * share;
  return [at(0), at(1), at(2), at(3)];
};
