// Buttons and fields under a player, see templates/qc/_player.html.

import { part } from "../js/elements.js";
import { fill, gettext } from "../js/translation.js";

/** @import { Player } from "./player.js" */

/**
 * @param {HTMLElement} root
 * @param {Player} player
 */
export const wireControls = (root, player) => {
  /** @param {string} name */
  const find = (name) => /** @type {HTMLInputElement} */ (part(root, "set", name));
  const zoom = /** @type {HTMLSelectElement} */ (part(root, "set", "zoom"));
  const [speed, loop] = [find("speed"), find("loop")];
  const actions = {
    play: () => player.toggle(),
    "previous-frame": () => player.step(-1),
    "next-frame": () => player.step(1),
    "previous-keyframe": () => player.stepKeyframe(-1),
    "next-keyframe": () => player.stepKeyframe(1),
  };
  for (const [name, action] of Object.entries(actions)) {
    part(root, "act", name).addEventListener("click", action);
  }
  for (const name of /** @type {const} */ (["boxes", "labels"])) {
    const box = find(name);
    box.addEventListener("change", () => {
      player.display[name] = box.checked;
      player.paint();
    });
  }
  speed.addEventListener("change", () => player.setSpeed(Number(speed.value)));
  loop.addEventListener("change", () => {
    player.setLoop(loop.checked ? player.scene.loopAround(player.frame) : null);
  });
  zoom.addEventListener("change", () => player.setZoom(Number(zoom.value)));

  const showState = () => {
    part(root, "icon", "play").hidden = !player.video.paused;
    part(root, "icon", "pause").hidden = player.video.paused;
    speed.value = String(player.speed);
    loop.checked = Boolean(player.loop);
  };
  const [time, frame] = [part(root, "show", "time"), part(root, "show", "frame")];
  player.addEventListener("state", showState);
  player.addEventListener("notify", () => {
    time.textContent = `${(player.frame / player.scene.frameRate).toFixed(2)} s`;
    frame.textContent = fill(gettext("frame %(frame)s"), { frame: player.frame });
  });
  player.addEventListener("paint", () => {
    // No style depends on these: they cost next to nothing.
    root.dataset.frame = `${player.frame}`;
    root.dataset.boxes = `${player.boxCount}`;
    root.dataset.painted = `${player.paintCount}`;
  });
  player.addEventListener("zoom", () => {
    /** @param {HTMLOptionElement} option */
    const distance = (option) => Math.abs(Number(option.value) - player.zoom);
    zoom.value = [...zoom.options].reduce((a, b) => (distance(b) < distance(a) ? b : a)).value;
  });
  const controls = /** @type {HTMLElement} */ (root.querySelector(".controls"));
  controls.hidden = false;
  showState();
};
