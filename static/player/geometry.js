// Geometry of boxes and of the frame on the canvas. No DOM.
// A box is [x1, y1, x2, y2] in pixels of the video, x2 and y2 exclusive; a point is [x, y].

/** @typedef {[x1: number, y1: number, x2: number, y2: number]} Box pixels of the video */
/** @typedef {[x: number, y: number]} Point pixels of the video */
/** @typedef {{ width: number, height: number }} Size */

/**
 * Where the frame lies on a canvas.
 * @typedef {object} Placement
 * @property {number} ratio canvas pixels per CSS pixel
 * @property {number} scale canvas pixels per pixel of the video
 * @property {number} left of the frame, canvas pixels
 * @property {number} top of the frame, canvas pixels
 */

export const MAX_ZOOM = 12;
const MIN_SIDE = 4; // pixels of the video: a box is never edited smaller

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export const clamp = (value, low, high) => Math.max(low, Math.min(value, high));

/**
 * Fit a frame into a canvas, enlarged `zoom` times around `centre`; no empty strip appears
 * while the frame is larger than the canvas.
 * @param {object} about
 * @param {Size} about.canvas canvas pixels
 * @param {Size} about.video pixels of the video
 * @param {number} about.ratio canvas pixels per CSS pixel
 * @param {number} about.zoom 1 shows the whole frame
 * @param {Point | null} about.centre null: the middle of the frame
 * @returns {Placement}
 */
export const placeVideo = ({ canvas, video, ratio, zoom, centre }) => {
  const scale = Math.min(canvas.width / video.width, canvas.height / video.height) * zoom;
  const [x, y] = centre || [video.width / 2, video.height / 2];
  return {
    ratio,
    scale,
    left: offset(canvas.width, video.width * scale, x * scale),
    top: offset(canvas.height, video.height * scale, y * scale),
  };
};

/**
 * @param {number} space side of the canvas
 * @param {number} size side of the frame on it
 * @param {number} middle the point of the frame that is to be in the middle
 */
const offset = (space, size, middle) =>
  size <= space ? (space - size) / 2 : clamp(space / 2 - middle, space - size, 0);

/**
 * @param {Placement} placement
 * @param {number} x canvas pixels
 * @param {number} y canvas pixels
 * @returns {Point}
 */
export const toVideo = ({ scale, left, top }, x, y) => [(x - left) / scale, (y - top) / scale];

/**
 * The zoom at which `box` takes `share` of the height of the frame.
 * @param {Box} box
 * @param {Size} video pixels of the video
 * @param {number} share
 */
export const zoomForBox = ([x1, y1, x2, y2], { width, height }, share) => {
  const tall = Math.max(y2 - y1, (x2 - x1) * (height / width));
  return (share * height) / Math.max(tall, 1);
};

/**
 * @param {Box} box
 * @returns {Point}
 */
export const boxCentre = ([x1, y1, x2, y2]) => [(x1 + x2) / 2, (y1 + y2) / 2];

/**
 * The part of `box` inside the frame.
 * @param {Box} box
 * @param {Size} video
 * @returns {Box}
 */
export const clipBox = ([x1, y1, x2, y2], { width, height }) => [
  clamp(x1, 0, width),
  clamp(y1, 0, height),
  clamp(x2, 0, width),
  clamp(y2, 0, height),
];

/**
 * To one decimal of a pixel.
 * @param {Box} box
 * @returns {Box}
 */
export const roundBox = ([x1, y1, x2, y2]) => [round(x1), round(y1), round(x2), round(y2)];

/** @param {number} side */
const round = (side) => Math.round(side * 10) / 10;

/**
 * Which sides of `box` a press at `point` takes hold of, as 0 or 1 for each side: those within
 * `reach`, all four inside the box, null outside.
 * @param {Box} box
 * @param {Point} point
 * @param {number} reach pixels of the video
 * @returns {Box | null}
 */
export const heldSides = ([x1, y1, x2, y2], [x, y], reach) => {
  const isNear = x > x1 - reach && x < x2 + reach && y > y1 - reach && y < y2 + reach;
  if (!isNear) return null;
  /** @param {number} distance */
  const near = (distance) => (Math.abs(distance) <= reach ? 1 : 0);
  /** @type {Box} */
  const sides = [near(x - x1), near(y - y1), near(x2 - x), near(y2 - y)];
  return sides.some(Boolean) ? sides : [1, 1, 1, 1];
};

/**
 * `box` with `by` added to its sides, inside the frame; null where it may not move: a whole
 * box beyond the border, or a side closer than 4 pixels to the opposite one.
 * @param {Box} box
 * @param {Box} by
 * @param {Size} video
 * @returns {Box | null}
 */
export const moveSides = (box, by, video) => {
  const x1 = box[0] + by[0];
  const y1 = box[1] + by[1];
  const x2 = box[2] + by[2];
  const y2 = box[3] + by[3];
  const isWhole = by[0] === by[2] && by[1] === by[3];
  if (isWhole && (x1 < 0 || y1 < 0 || x2 > video.width || y2 > video.height)) return null;
  if (x2 - x1 < MIN_SIDE || y2 - y1 < MIN_SIDE) return null;
  return [Math.max(0, x1), Math.max(0, y1), Math.min(video.width, x2), Math.min(video.height, y2)];
};

/**
 * Intersection over union of two boxes; 0 if they have no area together.
 * @param {Box} a
 * @param {Box} b
 */
export const iou = (a, b) => {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  /** @param {Box} box */
  const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
  const shared = width * height;
  return shared / (area(a) + area(b) - shared);
};
