// Keys of the label page, bound by their position (`event.code`) and named by the user's own
// keyboard layout. No DOM.

import { gettext } from "../../js/translation.js";

/** @import { KeyBinding } from "../../player/key_table.js" */

/**
 * @typedef {object} KeyEntry
 * @property {string} act what the key does
 * @property {string[]} chords positions with modifiers in the order Ctrl, Shift: "Ctrl+Shift+KeyZ"
 * @property {string} description in the help; "" is described by the entry before
 * @property {string[]} [shown] chords that the help shows; all without
 */

/** @typedef {(code: string) => string | undefined} Layout the sign that a position writes */

/** @type {Record<string, string>} */
const NUMPAD = {
  Enter: "NumpadEnter",
  "Shift+Enter": "Shift+NumpadEnter",
  Minus: "NumpadSubtract",
  Slash: "NumpadDivide",
};

/**
 * A chord, and the same on the number pad.
 * @param {string} chord
 */
const numpad = (chord) => [chord, NUMPAD[chord] ?? chord.replace("Digit", "Numpad")];

export const ACTION_CODES = [..."QWERTYUIOP"].map((letter) => `Key${letter}`);
export const GROUP_CODES = [..."123456789"].map((digit) => `Digit${digit}`);

/** @type {KeyEntry[]} */
export const KEYS = [
  ...GROUP_CODES.map((code, index) => ({
    act: `group-${index}`,
    chords: numpad(code),
    shown: ["Digit1", "Digit9"],
    description: index ? "" : gettext("open a group"),
  })),
  ...ACTION_CODES.map((code, index) => ({
    act: `choose-${index}`,
    chords: [code],
    shown: ["KeyQ", "KeyP"],
    description: index ? "" : gettext("choose an action of the open group"),
  })),
  { act: "find", chords: numpad("Slash"), description: gettext("find an action by typing") },
  { act: "none", chords: numpad("Digit0"), description: gettext("none, in the open group") },
  {
    act: "unknown",
    chords: numpad("Minus"),
    description: gettext("can't tell, in the open group"),
  },
  { act: "keep", chords: numpad("Enter"), description: gettext("keep what is dashed and go on") },
  {
    act: "keep-to-end",
    chords: numpad("Shift+Enter"),
    description: gettext("keep it to the end of the track, and go on to the next person"),
  },
  { act: "previous-group", chords: ["Semicolon"], description: gettext("previous group") },
  { act: "next-group", chords: ["Quote"], description: gettext("next group") },
  { act: "previous-frame", chords: ["ArrowLeft"], description: gettext("one frame back") },
  { act: "next-frame", chords: ["ArrowRight"], description: gettext("one frame forward") },
  { act: "previous-keyframe", chords: ["KeyJ"], description: gettext("previous keyframe") },
  { act: "next-keyframe", chords: ["KeyL"], description: gettext("next keyframe") },
  { act: "next-person", chords: ["ArrowDown"], description: gettext("next person") },
  { act: "previous-person", chords: ["ArrowUp"], description: gettext("previous person") },
  { act: "play", chords: ["Space"], description: gettext("play or pause") },
  { act: "slower", chords: ["BracketLeft"], description: gettext("slower") },
  { act: "faster", chords: ["BracketRight"], description: gettext("faster") },
  { act: "edit-box", chords: ["F2"], description: gettext("edit the box of this person") },
  { act: "add-person", chords: ["F3"], description: gettext("add a person: two boxes") },
  {
    act: "not-a-person",
    chords: ["F4"],
    description: gettext("not a person, or a person after all"),
  },
  {
    act: "outside",
    chords: ["F6"],
    description: gettext("outside from here, or back in the frame"),
  },
  { act: "merge", chords: ["F7"], description: gettext("merge with another person") },
  { act: "split", chords: ["F8"], description: gettext("split: somebody else from here on") },
  { act: "undo", chords: ["Ctrl+KeyZ"], description: gettext("undo") },
  { act: "redo", chords: ["Ctrl+Shift+KeyZ"], description: gettext("redo") },
  { act: "guidelines", chords: ["KeyG"], description: gettext("guidelines") },
  { act: "help", chords: ["Shift+Slash"], description: gettext("this list") },
];

/**
 * The name of a key press in the table: "Shift+Enter"; Cmd counts as Ctrl.
 * @param {{ code: string, ctrlKey: boolean, metaKey: boolean, shiftKey: boolean }} event
 */
export const chordOf = ({ code, ctrlKey, metaKey, shiftKey }) =>
  `${ctrlKey || metaKey ? "Ctrl+" : ""}${shiftKey ? "Shift+" : ""}${code}`;

/** Signs of a US keyboard, where the browser does not tell the layout. */
const SIGNS = new Map([
  ["Slash", "/"],
  ["Minus", "-"],
  ["Semicolon", ";"],
  ["Quote", "'"],
  ["BracketLeft", "["],
  ["BracketRight", "]"],
]);

const NAMES = new Map([
  ["ArrowLeft", "←"],
  ["ArrowRight", "→"],
  ["ArrowUp", "↑"],
  ["ArrowDown", "↓"],
  ["Space", "Space"],
  ["Enter", "Enter"],
  ["Shift", "⇧"],
  ["Ctrl", "Ctrl"],
]);

/**
 * What is printed on the key at a position.
 * @param {string} code
 * @param {Layout} layout
 */
export const signOf = (code, layout) => {
  const name = NAMES.get(code) ?? layout(code) ?? SIGNS.get(code);
  return (name ?? code.replace(/^(Key|Digit)/, "")).toLocaleUpperCase();
};

/**
 * A chord as it is shown: "⇧ Enter"; `?` is shown as such where the key writes it.
 * @param {string} chord
 * @param {Layout} layout
 */
export const chordLabel = (chord, layout) => {
  if (chord === "Shift+Slash" && signOf("Slash", layout) === "/") return "?";
  return chord
    .split("+")
    .map((part) => (NAMES.get(part) === "Enter" ? "Enter" : nameOf(part, layout)))
    .join(" ");
};

/**
 * @param {string} part
 * @param {Layout} layout
 */
const nameOf = (part, layout) => NAMES.get(part) ?? signOf(part, layout);

/**
 * The first chord of an act as it is shown; "" if it has no key.
 * @param {string} act
 * @param {Layout} layout
 */
export const labelOfAct = (act, layout) => {
  const entry = KEYS.find((one) => one.act === act);
  return entry ? chordLabel(entry.chords[0], layout) : "";
};

/**
 * Bindings for the key table and the help, in its order.
 * @param {(act: string, event: KeyboardEvent) => unknown} run
 * @param {Layout} layout
 * @returns {KeyBinding[]}
 */
export const labelBindings = (run, layout) =>
  KEYS.map(({ act, chords, description, shown = [chords[0]] }) => ({
    keys: chords,
    label: shown.map((chord) => chordLabel(chord, layout)).join(shown.length > 1 ? " – " : ""),
    description,
    action: (event) => run(act, event),
  }));
