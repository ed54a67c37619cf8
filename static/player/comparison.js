// Comparison screen: the same frames as the player's, with the boxes of another tracking run.

import { colourOf, contextOf, INTERPOLATED_DASH, paintBox, paintImage } from "./paint.js";

/** @import { Size } from "./geometry.js" */
/** @import { Player } from "./player.js" */
/** @import { Scene } from "./scene.js" */

export class Comparison {
  /**
   * @param {Element} screen holds a canvas
   * @param {Scene} scene of the other run
   */
  constructor(screen, scene) {
    this.scene = scene;
    this.context = contextOf(screen);
    this.canvas = this.context.canvas;
    /** @type {Size} */
    this.viewport = { width: this.canvas.clientWidth, height: this.canvas.clientHeight }; // CSS pixels
    new ResizeObserver(([entry]) => {
      this.viewport = entry.contentRect;
    }).observe(this.canvas);
    this.boxCount = 0; // boxes on the screen
  }

  /**
   * Paint the frame that `player` shows.
   * @param {CanvasImageSource} image
   * @param {Player} player
   */
  paint(image, player) {
    const placement = player.placement(this);
    paintImage(this.context, placement, image, player.videoSize());
    this.boxCount = 0;
    if (!player.display.boxes) return;
    for (const { number, label } of this.scene.persons) {
      if (player.hiddenPersons.has(number)) continue;
      const found = this.scene.boxOf(number, player.frame);
      if (!found) continue;
      paintBox(this.context, placement, found.box, {
        colour: colourOf(number),
        text: player.display.labels ? label : "",
        dash: found.isInterpolated ? INTERPOLATED_DASH : [],
        width: number === player.selected ? 3.5 : 2,
      });
      this.boxCount += 1;
    }
  }
}
