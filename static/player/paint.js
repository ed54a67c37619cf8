// Drawing of boxes with their name tags on a canvas, and the colours of persons.

/** @import { Box, Placement } from "./geometry.js" */

export const DASHES = [
  [9, 4],
  [2, 3],
  [10, 3, 2, 3],
  [5, 5],
  [14, 4],
  [1, 5],
];
export const INTERPOLATED_DASH = [6, 4];
const COLOURS = 12; // classes p0 to p11 in app.css

/** @param {number} number of a person */
export const colourClass = (number) => `p${number % COLOURS}`;

/** @type {string[] | null} */
let palette = null;

/**
 * The colour of a person, as CSS writes it.
 * @param {number} number of the person
 */
export const colourOf = (number) => {
  palette ??= Array.from({ length: COLOURS }, (_, index) => {
    const probe = document.createElement("i");
    probe.className = colourClass(index);
    document.body.append(probe);
    const colour = getComputedStyle(probe).getPropertyValue("--c").trim();
    probe.remove();
    return colour;
  });
  return palette[number % COLOURS];
};

/**
 * @typedef {object} BoxStyle
 * @property {string} colour
 * @property {string} [text] of the name tag, a line for each line; no tag without
 * @property {number[]} [dash] CSS pixels
 * @property {number} [width] of the line, CSS pixels
 * @property {boolean} [isTagBelow] the name tag is under the box, not above it
 * @property {boolean} [isFaint]
 * @property {Rect[]} [taken] the tags of this frame, which the next ones keep clear of
 */

/** @typedef {{ x: number, y: number, width: number, height: number }} Rect canvas pixels */

/** @type {Map<string, number>} */
const textWidths = new Map(); // canvas pixels, by size and text

/**
 * Draw one box with its name tag.
 * @param {CanvasRenderingContext2D} context
 * @param {Placement} placement
 * @param {Box} box
 * @param {BoxStyle} style
 */
export const paintBox = (context, placement, box, style) => {
  const { colour, text, dash = [], width = 2, isTagBelow = false, isFaint = false } = style;
  const { ratio, scale } = placement;
  const area = {
    x: placement.left + box[0] * scale,
    y: placement.top + box[1] * scale,
    width: (box[2] - box[0]) * scale,
    height: (box[3] - box[1]) * scale,
  };
  context.globalAlpha = isFaint ? 0.55 : 1;
  context.setLineDash(dash.map((part) => part * ratio));
  context.lineWidth = width * ratio;
  context.strokeStyle = colour;
  context.strokeRect(area.x, area.y, area.width, area.height);
  context.setLineDash([]);
  if (text) {
    const size = 12 * ratio;
    const lines = text.split("\n");
    context.font = `600 ${size}px Inter, sans-serif`;
    const widths = lines.map((line) => textWidth(context, size, line));
    const tag = {
      width: Math.max(...widths) + 10 * ratio,
      height: lines.length * size * 1.25 + 3 * ratio,
    };
    const { x, y } = placeTag(area, tag, context.canvas, style.taken ?? [], isTagBelow);
    style.taken?.push({ x, y, ...tag });
    context.fillStyle = colour;
    context.fillRect(x, y, tag.width, tag.height);
    context.fillStyle = "#0b0d10";
    context.textBaseline = "middle";
    for (const [index, line] of lines.entries()) {
      context.fillText(line, x + 5 * ratio, y + (index + 0.5) * size * 1.25 + 2 * ratio);
    }
  }
  context.globalAlpha = 1;
};

/**
 * Where the tag of a box goes: above, below or beside it, where no other tag is; over the box
 * only if there is no room around it.
 * @param {Rect} box
 * @param {{ width: number, height: number }} tag
 * @param {{ width: number, height: number }} canvas
 * @param {Rect[]} taken tags that are drawn already
 * @param {boolean} isBelowFirst
 * @returns {{ x: number, y: number }}
 */
export const placeTag = (box, tag, canvas, taken, isBelowFirst) => {
  const x = Math.max(0, Math.min(box.x, canvas.width - tag.width));
  const above = { x, y: box.y - tag.height };
  const below = { x, y: box.y + box.height };
  const sides = [
    { x: box.x + box.width, y: box.y },
    { x: box.x - tag.width, y: box.y },
  ];
  const around = isBelowFirst ? [below, above, ...sides] : [above, below, ...sides];
  const inside = around.filter(
    (at) =>
      at.x >= 0 &&
      at.y >= 0 &&
      at.x + tag.width <= canvas.width &&
      at.y + tag.height <= canvas.height,
  );
  const isFree = (/** @type {{ x: number, y: number }} */ at) =>
    !taken.some(
      (one) =>
        at.x < one.x + one.width &&
        one.x < at.x + tag.width &&
        at.y < one.y + one.height &&
        one.y < at.y + tag.height,
    );
  return inside.find(isFree) ?? inside[0] ?? { x, y: Math.max(0, box.y) };
};

/**
 * @param {CanvasRenderingContext2D} context with its font set
 * @param {number} size of the font, canvas pixels
 * @param {string} text
 */
const textWidth = (context, size, text) => {
  const key = `${size} ${text}`;
  const known = textWidths.get(key);
  if (known !== undefined) return known;
  const { width } = context.measureText(text);
  textWidths.set(key, width);
  return width;
};

/**
 * Draw a frame on a black canvas.
 * @param {CanvasRenderingContext2D} context
 * @param {Placement} placement
 * @param {CanvasImageSource} image
 * @param {{ width: number, height: number }} size pixels of the video
 */
export const paintImage = (context, placement, image, size) => {
  const { left, top, scale } = placement;
  context.fillStyle = "#000";
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  context.drawImage(image, left, top, size.width * scale, size.height * scale);
};

/**
 * The 2D context of the canvas inside `screen`, without transparency: the video below it is then
 * not composed.
 * @param {Element} screen
 */
export const contextOf = (screen) => {
  const context = screen.querySelector("canvas")?.getContext("2d", { alpha: false });
  if (!context) throw new Error("This browser has no 2D canvas.");
  return context;
};
