// Keys of the label page: static/annotation/label/key_map.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  chordLabel,
  chordOf,
  KEYS,
  labelBindings,
  labelOfAct,
  signOf,
} from "../../static/annotation/label/key_map.js";
import { keyTable } from "../../static/player/key_table.js";

const US = () => undefined;
const GERMAN = new Map([
  ["KeyY", "z"],
  ["KeyZ", "y"],
  ["Semicolon", "ö"],
  ["Quote", "ä"],
  ["Slash", "-"],
  ["Minus", "ß"],
]);
const german = (/** @type {string} */ code) => GERMAN.get(code);

const press = (/** @type {string} */ code, about = {}) => ({
  code,
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  ...about,
});

test("no key has two meanings", () => {
  const table = keyTable(labelBindings(() => {}, US));
  assert.equal(table.size, KEYS.flatMap((one) => one.chords).length);
});

test("each key of the table does what the table says", () => {
  /** @type {string[]} */
  const done = [];
  const table = keyTable(labelBindings((act) => done.push(act), US));
  const event = /** @type {KeyboardEvent} */ ({});
  for (const chord of [
    ...["Digit1", "Digit9", "KeyQ", "KeyP", "Digit0", "Minus", "Slash", "KeyG", "Shift+Slash"],
    ...["Enter", "Shift+Enter", "Semicolon", "Quote", "ArrowLeft", "ArrowRight", "KeyJ", "KeyL"],
    ...["ArrowDown", "ArrowUp", "Space", "BracketLeft", "BracketRight", "F2", "F3", "F4", "F6"],
    ...["F7", "F8", "Ctrl+KeyZ", "Ctrl+Shift+KeyZ"],
  ]) {
    table.get(chord.toLowerCase())?.action(event);
  }
  assert.deepEqual(done, [
    ...[
      "group-0",
      "group-8",
      "choose-0",
      "choose-9",
      "none",
      "unknown",
      "find",
      "guidelines",
      "help",
    ],
    ...["keep", "keep-to-end", "previous-group", "next-group", "previous-frame", "next-frame"],
    ...["previous-keyframe", "next-keyframe", "next-person", "previous-person", "play", "slower"],
    ...["faster", "edit-box", "add-person", "not-a-person", "outside", "merge", "split", "undo"],
    "redo",
  ]);
});

test("a press is named by its position and its modifiers; Cmd counts as Ctrl", () => {
  assert.equal(chordOf(press("KeyZ", { ctrlKey: true, shiftKey: true })), "Ctrl+Shift+KeyZ");
  assert.equal(chordOf(press("KeyZ", { metaKey: true })), "Ctrl+KeyZ");
  assert.equal(chordOf(press("Enter", { shiftKey: true })), "Shift+Enter");
});

test("the number pad does the same as the row of digits", () => {
  const table = keyTable(labelBindings(() => {}, US));
  for (const [row, pad] of [
    ["digit7", "numpad7"],
    ["enter", "numpadenter"],
    ["minus", "numpadsubtract"],
  ]) {
    assert.ok(table.get(row));
    assert.equal(table.get(row), table.get(pad));
  }
});

test("keys are shown by the layout of the user", () => {
  assert.equal(signOf("KeyY", US), "Y");
  assert.equal(signOf("KeyY", german), "Z");
  assert.equal(labelOfAct("previous-group", german), "Ö");
  assert.equal(labelOfAct("undo", US), "Ctrl Z");
  assert.equal(labelOfAct("undo", german), "Ctrl Y");
  assert.equal(labelOfAct("keep-to-end", german), "⇧ Enter");
  assert.equal(chordLabel("Shift+Slash", US), "?");
  assert.equal(chordLabel("Shift+Slash", german), "⇧ -");
  assert.equal(labelOfAct("unknown act", US), "");
});
