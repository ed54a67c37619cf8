// Finding actions by typing: static/annotation/label/find_actions.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findActions } from "../../static/annotation/label/find_actions.js";

/** @param {string[][]} names */
const vocabulary = (...names) =>
  names.map((group) => ({ actions: group.map((name) => ({ name })) }));
const GROUPS = vocabulary(
  ["walk", "walk fast", "sit"],
  ["hold a phone", "talk on a phone", "wear a hat", "open (e.g., a window, a car door)"],
  ["hand clap", "walk together", "Überqueren"],
);

/**
 * @param {string} typed
 * @param {number} open
 */
const found = (typed, open = 0) => findActions(GROUPS, typed, open).map((one) => one.name);

test("an empty text offers the actions of the open group", () => {
  assert.deepEqual(found("", 0), ["walk", "walk fast", "sit"]);
});

test("beginnings of names come first, then of words, then any part", () => {
  assert.deepEqual(found("ha"), ["hand clap", "wear a hat", "hold a phone"]);
  assert.deepEqual(found("pho"), ["hold a phone", "talk on a phone"]);
  assert.deepEqual(found("alk"), ["walk", "walk fast", "talk on a phone", "walk together"]);
});

test("first letters of words find an action, with or without blanks", () => {
  assert.deepEqual(found("hp"), ["hold a phone"]);
  assert.deepEqual(found("ho ph"), ["hold a phone"]);
  assert.deepEqual(found("wf"), ["walk fast"]);
});

test("the open group comes first among equals", () => {
  assert.deepEqual(found("walk", 2), ["walk together", "walk", "walk fast"]);
});

test("signs, case and accents do not matter", () => {
  assert.deepEqual(found("UBER"), ["Überqueren"]);
  assert.deepEqual(found("car door"), ["open (e.g., a window, a car door)"]);
});

test("what nothing begins with finds nothing", () => {
  assert.deepEqual(found("xyz"), []);
});

test("each one found says where it is in the vocabulary", () => {
  assert.deepEqual(findActions(GROUPS, "sit", 1), [{ group: 0, action: 2, name: "sit" }]);
});

test("of 80 actions at most 8 are offered", () => {
  const many = vocabulary(Array.from({ length: 80 }, (_, index) => `act ${index}`));
  assert.equal(findActions(many, "act", 0).length, 8);
});
