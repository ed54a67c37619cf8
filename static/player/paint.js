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
 * @property {string} [text] of the name tag; none without
 * @property {number[]} [dash] CSS pixels
 * @property {number} [width] of the line, CSS pixels
 * @property {boolean} [isTagBelow] the name tag is under the box, not above it
 * @property {boolean} [isFaint]
 */

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
  const x = placement.left + box[0] * scale;
  const y = placement.top + box[1] * scale;
  const tall = (box[3] - box[1]) * scale;
  context.globalAlpha = isFaint ? 0.55 : 1;
  context.setLineDash(dash.map((part) => part * ratio));
  context.lineWidth = width * ratio;
  context.strokeStyle = colour;
  context.strokeRect(x, y, (box[2] - box[0]) * scale, tall);
  context.setLineDash([]);
  if (text) {
    const size = 12 * ratio;
    context.font = `600 ${size}px Inter, sans-serif`;
    const tag = { width: textWidth(context, size, text) + 10 * ratio, height: size + 6 * ratio };
    const tagX = Math.max(0, Math.min(x - ratio, context.canvas.width - tag.width));
    const above = y - tag.height > 0 ? y - tag.height : y;
    const tagY = isTagBelow ? Math.min(y + tall, context.canvas.height - tag.height) : above;
    context.fillStyle = colour;
    context.fillRect(tagX, tagY, tag.width, tag.height);
    context.fillStyle = "#0b0d10";
    context.textBaseline = "middle";
    context.fillText(text, tagX + 5 * ratio, tagY + tag.height / 2 + ratio * 0.5);
  }
  context.globalAlpha = 1;
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
