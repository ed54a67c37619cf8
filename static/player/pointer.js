// Mouse and touch on the player: a click plays or pauses, a drag moves a zoomed frame, Ctrl with
// the wheel zooms.

/** @import { Player } from "./player.js" */
/** @import { Point } from "./geometry.js" */

const DRAG_DISTANCE = 4; // CSS pixels: a shorter move is a click
const WHEEL_ZOOM = 1.2;

/** @param {Player} player */
export const listenToPointer = (player) => {
  const { canvas } = player;
  /** @type {{ x: number, y: number, centre: Point | null, isDrag: boolean } | null} */
  let press = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || player.overlay?.grab?.(event)) return;
    press = { x: event.clientX, y: event.clientY, centre: player.centre, isDrag: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!press) return;
    const [dx, dy] = [event.clientX - press.x, event.clientY - press.y];
    press.isDrag ||= Math.hypot(dx, dy) > DRAG_DISTANCE;
    if (!press.isDrag || player.zoom === 1) return;
    const { ratio, scale } = player.placement();
    const { width, height } = player.scene.size;
    const [x, y] = press.centre || [width / 2, height / 2];
    player.setZoom(player.zoom, [x - (dx * ratio) / scale, y - (dy * ratio) / scale]);
  });
  canvas.addEventListener("pointerup", () => {
    if (press && !press.isDrag) player.toggle();
    press = null;
  });
  canvas.addEventListener("pointercancel", () => {
    press = null;
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      const factor = event.deltaY < 0 ? WHEEL_ZOOM : 1 / WHEEL_ZOOM;
      player.setZoom(player.zoom * factor, player.centre || player.pointAt(event));
    },
    { passive: false },
  );
};
