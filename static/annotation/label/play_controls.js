// Play and speed buttons under the clip of the label page.

import { part } from "../../js/elements.js";
import { setAttribute } from "./group_panel.js";

/** @import { Stage } from "./stage.js" */

const SPEEDS = [0.5, 1, 2];

/**
 * @param {HTMLElement} root
 * @param {Stage} stage
 */
export const wirePlayControls = (root, stage) => {
  const buttons = [...root.querySelectorAll("[data-speed]")].map((button) => ({
    button,
    speed: Number(/** @type {HTMLElement} */ (button).dataset.speed),
  }));
  for (const { button, speed } of buttons) {
    button.addEventListener("click", () => stage.setSpeed(speed));
  }
  stage.addEventListener("state", () => {
    part(root, "icon", "play").hidden = !stage.video.paused;
    part(root, "icon", "pause").hidden = stage.video.paused;
    for (const { button, speed } of buttons) {
      setAttribute(button, "aria-pressed", String(speed === stage.speed));
    }
  });
};

/**
 * @param {Stage} stage
 * @param {number} by 1: faster, -1: slower
 */
export const changeSpeed = (stage, by) => {
  const speed = SPEEDS[SPEEDS.indexOf(stage.speed) + by];
  if (speed) stage.setSpeed(speed);
};
