// Key table of a page: which key runs which action. No DOM.
// A key is the event's `key` in lower case; a digit is its `code`, so that Shift+1 is "1" everywhere.

/** @import { Player } from "./player.js" */

/**
 * @typedef {object} KeyBinding
 * @property {string[]} keys
 * @property {string} label of the keys in the help, parted by spaces
 * @property {string} description in the help; "" hides it
 * @property {(event: KeyboardEvent) => unknown} action returns false if the key is left to the browser
 */

/** @param {{ key: string, code: string }} event */
export const keyName = ({ key, code }) =>
  /^(Digit|Numpad)\d$/.test(code) ? code.slice(-1) : key.toLowerCase();

/**
 * The action of each key.
 * @param {KeyBinding[]} bindings
 * @throws {Error} if a key is bound twice
 */
export const keyTable = (bindings) => {
  /** @type {Map<string, KeyBinding>} */
  const table = new Map();
  for (const binding of bindings) {
    for (const key of binding.keys.map((one) => one.toLowerCase())) {
      const other = table.get(key);
      if (other) {
        throw new Error(
          `The key "${key}" is bound twice: "${other.description}" and "${binding.description}".`,
        );
      }
      table.set(key, binding);
    }
  }
  return table;
};

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
      description: "play or pause",
      action: () => player.toggle(),
    },
    {
      keys: ["ArrowLeft", ","],
      label: "←",
      description: "one frame back; with Shift one second",
      action: (event) => player.step(event.shiftKey ? -rate() : -1),
    },
    {
      keys: ["ArrowRight", "."],
      label: "→",
      description: "one frame forward; with Shift one second",
      action: (event) => player.step(event.shiftKey ? rate() : 1),
    },
    {
      keys: ["j"],
      label: "J",
      description: "previous keyframe",
      action: () => player.stepKeyframe(-1),
    },
    {
      keys: ["l"],
      label: "L",
      description: "next keyframe",
      action: () => player.stepKeyframe(1),
    },
    {
      keys: ["Home"],
      label: "Home",
      description: "first frame",
      action: () => player.pauseAt(0),
    },
    {
      keys: ["End"],
      label: "End",
      description: "last frame",
      action: () => player.pauseAt(player.scene.frameCount - 1),
    },
    {
      keys: ["r"],
      label: "R",
      description: "loop 3 s around this keyframe",
      action: toggleLoop,
    },
    { keys: ["<", "["], label: "[", description: "slower", action: () => changeSpeed(-1) },
    { keys: [">", "]"], label: "]", description: "faster", action: () => changeSpeed(1) },
    {
      keys: ["+", "="],
      label: "+",
      description: "zoom in; drag to move the frame",
      action: () => player.zoomBy(1.5),
    },
    {
      keys: ["-"],
      label: "-",
      description: "zoom out",
      action: () => player.zoomBy(1 / 1.5),
    },
    {
      keys: ["z"],
      label: "Z",
      description: "zoom to the selected person, or back",
      action: toggleZoom,
    },
  ];
};
