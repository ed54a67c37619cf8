// The keys of the player, on every page that has one: play, steps, speed, loop, zoom. No DOM.

import { gettext } from "../js/translation.js";

/** @import { KeyBinding } from "./key_table.js" */
/** @import { Player } from "./player.js" */

const SPEEDS = [0.25, 0.5, 1, 2];

/**
 * The keys of a player, on every page that has one.
 * @param {Player} player
 * @returns {KeyBinding[]}
 */
export const playerKeys = (player) => {
  const rate = () => player.scene.frameRate;
  /** @param {number} by */
  const changeSpeed = (by) => {
    const speed = SPEEDS[SPEEDS.indexOf(player.speed) + by];
    if (speed) player.setSpeed(speed);
  };
  const toggleLoop = () => {
    player.setLoop(player.loop ? null : player.scene.loopAround(player.frame));
    if (player.loop && player.video.paused) player.toggle();
  };
  const toggleZoom = () => {
    const box = player.selected === null ? null : player.boxOf(player.selected)?.box;
    if (player.zoom > 1) player.setZoom(1);
    else if (box) player.zoomToBox(box);
    else player.setZoom(2);
  };
  return [
    {
      keys: [" ", "k"],
      label: "Space",
      description: gettext("play or pause"),
      action: () => player.toggle(),
    },
    {
      keys: ["ArrowLeft", ","],
      label: "←",
      description: gettext("one frame back; with Shift one second"),
      action: (event) => player.step(event.shiftKey ? -rate() : -1),
    },
    {
      keys: ["ArrowRight", "."],
      label: "→",
      description: gettext("one frame forward; with Shift one second"),
      action: (event) => player.step(event.shiftKey ? rate() : 1),
    },
    {
      keys: ["j"],
      label: "J",
      description: gettext("previous keyframe"),
      action: () => player.stepKeyframe(-1),
    },
    {
      keys: ["l"],
      label: "L",
      description: gettext("next keyframe"),
      action: () => player.stepKeyframe(1),
    },
    {
      keys: ["Home"],
      label: "Home",
      description: gettext("first frame"),
      action: () => player.pauseAt(0),
    },
    {
      keys: ["End"],
      label: "End",
      description: gettext("last frame"),
      action: () => player.pauseAt(player.scene.frameCount - 1),
    },
    {
      keys: ["r"],
      label: "R",
      description: gettext("loop 3 s around this keyframe"),
      action: toggleLoop,
    },
    { keys: ["<", "["], label: "[", description: gettext("slower"), action: () => changeSpeed(-1) },
    { keys: [">", "]"], label: "]", description: gettext("faster"), action: () => changeSpeed(1) },
    {
      keys: ["+", "="],
      label: "+",
      description: gettext("zoom in; drag to move the frame"),
      action: () => player.zoomBy(1.5),
    },
    {
      keys: ["-"],
      label: "-",
      description: gettext("zoom out"),
      action: () => player.zoomBy(1 / 1.5),
    },
    {
      keys: ["z"],
      label: "Z",
      description: gettext("zoom to the selected person, or back"),
      action: toggleZoom,
    },
  ];
};
