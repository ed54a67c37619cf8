// Box editor: drag the corners and sides of a box on the player, or move it with the arrow keys.

import { clipBox, heldSides, moveSides } from "./geometry.js";

import { paintBox } from "./paint.js";

/** @import { Box, Placement, Point } from "./geometry.js" */
/** @import { Overlay, Player } from "./player.js" */

const REACH = 12; // CSS pixels around a corner or side that take hold of it
const HANDLE = 9; // CSS pixels

/** @type {Record<string, Point>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class BoxEditor {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    /** @type {Box | null} */
    this.box = null; // null: nothing is edited
    /** @type {Box | null} */
    this.held = null; // the sides that follow the pointer, as 0 or 1
    /** @type {Point} */
    this.last = [0, 0]; // of the pointer
    player.canvas.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) {
      player.canvas.addEventListener(name, () => {
        this.held = null;
      });
    }
  }

  /** @param {Box} box */
  start(box) {
    this.box = clipBox(box, this.player.scene.size);
    this.player.overlay = this;
    this.player.paint();
  }

  stop() {
    this.box = null;
    this.held = null;
    if (this.player.overlay === this) this.player.overlay = null;
    this.player.paint();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Placement} placement
   */
  paint(context, { left, top, scale, ratio }) {
    if (!this.box) return;
    const [x1, x2] = [left + this.box[0] * scale, left + this.box[2] * scale];
    const [y1, y2] = [top + this.box[1] * scale, top + this.box[3] * scale];
    const [middleX, middleY] = [(x1 + x2) / 2, (y1 + y2) / 2];
    context.lineWidth = 2.5 * ratio;
    context.strokeStyle = "#ffffff";
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    const size = HANDLE * ratio;
    for (const x of [x1, middleX, x2]) {
      for (const y of [y1, middleY, y2]) {
        if (x === middleX && y === middleY) continue;
        const [handleX, handleY] = [x - size / 2, y - size / 2];
        context.fillStyle = "#ffffff";
        context.fillRect(handleX, handleY, size, size);
        context.fillStyle = "#4f46e5";
        context.fillRect(handleX + ratio, handleY + ratio, size - 2 * ratio, size - 2 * ratio);
      }
    }
  }

  /**
   * Take hold of the box, if the press is on it.
   * @param {PointerEvent} event
   */
  grab(event) {
    if (!this.box) return false;
    const point = this.player.pointAt(event);
    const { ratio, scale } = this.player.placement();
    this.held = heldSides(this.box, point, (REACH * ratio) / scale);
    if (!this.held) return false;
    this.last = point;
    this.player.canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    return true;
  }

  /** @param {PointerEvent} event */
  drag(event) {
    if (!this.held) return;
    const point = this.player.pointAt(event);
    const [dx, dy] = [point[0] - this.last[0], point[1] - this.last[1]];
    this.last = point;
    const [left, top, right, bottom] = this.held;
    this.move([left * dx, top * dy, right * dx, bottom * dy]);
  }

  /** @param {Box} by pixels of the video, for each side */
  move(by) {
    if (!this.box) return;
    this.box = moveSides(this.box, by, this.player.scene.size) ?? this.box;
    this.player.paint();
  }

  /**
   * An arrow key moves the box by a pixel of the video; with Shift its lower right corner.
   * @param {KeyboardEvent} event
   */
  onArrow(event) {
    const [dx, dy] = ARROWS[event.key];
    this.move(event.shiftKey ? [0, 0, dx, dy] : [dx, dy, dx, dy]);
  }
}

/**
 * An overlay that shows a box that can be chosen.
 * @param {Box} box
 * @returns {Overlay}
 */
export const boxPreview = (box) => ({
  paint: (context, placement) => paintBox(context, placement, box, { colour: "#ffffff", width: 3 }),
});
