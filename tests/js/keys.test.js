// Key tables and the keys of the player: static/player/key_table.js, player_keys.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import { keyName, keyTable } from "../../static/player/key_table.js";
import { playerKeys } from "../../static/player/player_keys.js";

/** @import { Player } from "../../static/player/player.js" */

/** @type {(keys: string[], description: string) => import("../../static/player/key_table.js").KeyBinding} */
const binding = (keys, description) => ({ keys, label: "", description, action: () => {} });

test("a key bound twice is refused with both of its meanings", () => {
  const bindings = [binding(["s"], "skip"), binding(["Enter", "S"], "save")];
  assert.throws(() => keyTable(bindings), {
    message: 'The key "s" is bound twice: "skip" and "save".',
  });
});

test("keys are named without regard to case, digits by their place on the keyboard", () => {
  assert.equal(keyName({ key: "D", code: "KeyD" }), "d");
  assert.equal(keyName({ key: "!", code: "Digit1" }), "1");
  assert.equal(keyName({ key: "1", code: "Numpad1" }), "1");
  assert.equal(keyName({ key: "ArrowUp", code: "ArrowUp" }), "arrowup");
});

test("no key of a player is bound twice", () => {
  const player = /** @type {Player} */ ({});
  assert.equal(keyTable(playerKeys(player)).get("arrowleft")?.label, "←");
});

test("the keys [ and ] go through the speeds and stop at the ends", () => {
  const player = /** @type {Player} */ ({ speed: 1 });
  player.setSpeed = (speed) => {
    player.speed = speed;
  };
  const table = keyTable(playerKeys(player));
  const press = (/** @type {string} */ key) =>
    table.get(key)?.action(/** @type {KeyboardEvent} */ ({}));
  press("]");
  press("]");
  assert.equal(player.speed, 2);
  for (let count = 0; count < 5; count++) press("[");
  assert.equal(player.speed, 0.25);
});
