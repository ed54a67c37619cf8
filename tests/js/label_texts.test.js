// Words of the label page: static/annotation/label/texts.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cellText,
  isOfPersons,
  laneText,
  leftText,
  limitText,
  personName,
  sameText,
  savedText,
  secondsText,
  spokenPlace,
  textOf,
} from "../../static/annotation/label/texts.js";
import { acting, GROUPS, makeWork } from "./label_work.js";

/** @import { Cell } from "../../static/annotation/label/fold.js" */

/** @type {(state: Cell["state"], about?: Partial<Cell>) => Cell} */
const cell = (state, about = {}) => ({ state, isUnsure: false, isEdited: false, ...about });

test("answers in words", () => {
  assert.equal(textOf("walk"), "walk");
  assert.equal(textOf(["wave", "carry"]), "wave, carry");
  assert.equal(textOf([]), "none");
  assert.equal(textOf("unknown"), "can't tell");
  assert.equal(textOf("unset"), "");
});

test("what is no person is named with its class, drawn or given out", () => {
  const work = makeWork();
  work.labels = ["person", "vehicle"];
  const act = acting(work);
  const box = { frame: 0, box: [300, 10, 330, 50] };
  act({ kind: "add", person: "d-1", label: "vehicle", ...box });
  act({ kind: "add", person: "d-2", label: "bench", ...box });
  work.person("2").label = "vehicle";
  const names = ["1", "2", "d-1", "d-2"].map((key) => personName(work, key));
  assert.deepEqual(names, ["P1", "P2 vehicle", "new vehicle 1", "new person 2"]);
  act({ kind: "split", person: "d-1", frame: 60, created: "d-3" });
  assert.equal(personName(work, "d-3"), "new vehicle 3");
  assert.equal(work.person("d-1").toJSON().label, "vehicle");
  assert.equal("label" in work.person("d-2").toJSON(), false);
  assert.equal(isOfPersons(work), false);
});

test("a cell says all that its colour says", () => {
  assert.equal(cellText(cell("kept")), "as before");
  assert.equal(
    cellText(cell("set", { isUnsure: true, isEdited: true })),
    "answered, can't tell, box edited",
  );
});

test("a lane counts the keyframes that are done, without those outside", () => {
  assert.equal(laneText([cell("set"), cell("kept"), cell("outside")]), "done");
  assert.equal(laneText([cell("set"), cell("partial"), cell("empty")]), "1 of 3");
  assert.equal(laneText([cell("set", { isUnsure: true }), cell("kept")]), "1 unsure");
  assert.equal(laneText([cell("outside")]), "no keyframe");
  assert.equal(laneText([]), "no keyframe");
});

test("the saved state tells the truth", () => {
  const state = { status: "saved", waiting: 0, savedAt: 10_000, message: "" };
  assert.equal(savedText(state, 12_500).text, "Saved 2 s ago");
  const ago = [0, 900, 59_900, 60_000, 3_599_000, 7_200_000].map((ms) =>
    savedText({ ...state, savedAt: 0 }, ms).text.replace("Saved ", ""),
  );
  assert.deepEqual(ago, ["just now", "just now", "59 s ago", "1 min ago", "59 min ago", "2 h ago"]);
  assert.equal(savedText({ ...state, savedAt: null }, 0).text, "No changes yet");
  assert.equal(savedText({ ...state, status: "saving", waiting: 1 }, 0).text, "Saving 1 change");
  const offline = savedText({ ...state, status: "offline", waiting: 3 }, 0);
  assert.deepEqual(offline, { text: "Offline, 3 changes kept in this browser", tone: "warn" });
  assert.equal(savedText({ ...state, status: "log in" }, 0).tone, "warn");
  assert.equal(savedText({ ...state, status: "taken over" }, 0).tone, "bad");
  const refused = { ...state, status: "refused", message: "too large" };
  assert.equal(savedText(refused, 0).text, "Not saved: too large");
});

test("the time left is rounded to minutes", () => {
  assert.equal(leftText(0), "");
  assert.equal(leftText(20), "less than a minute left");
  assert.equal(leftText(150), "about 3 min left");
});

test("persons that were drawn are counted", () => {
  const work = makeWork();
  const act = acting(work);
  act({ kind: "add", person: "d-a", frame: 30, box: [0, 0, 9, 9] });
  act({ kind: "add", person: "d-b", frame: 30, box: [0, 0, 9, 9] });
  assert.equal(personName(work, "1"), "P1");
  assert.equal(personName(work, "d-b"), "new person 2");
});

test("a place is spoken with all its answers and where they come from", () => {
  const work = makeWork();
  acting(work)({ kind: "set", person: "1", second: 1, answers: { posture: "walk" } });
  assert.equal(
    spokenPlace(work, GROUPS, { person: "1", second: 1 }),
    "P1, second 1. posture: walk. doing: none, not confirmed. dress: no answer.",
  );
  assert.equal(
    spokenPlace(work, GROUPS, { person: "2", second: 1 }),
    "P2, second 1: outside the frame.",
  );
});

test("keyframes are named as runs", () => {
  assert.equal(secondsText([]), "");
  assert.equal(secondsText([4]), "second 4");
  assert.equal(secondsText([2, 3, 4, 5, 7]), "seconds 2 to 5, 7");
});

test("what may be chosen, and what a place shows of the keyframe before", () => {
  const [posture] = GROUPS;
  assert.equal(limitText({ ...posture, choice: "one" }), "one");
  assert.equal(limitText({ ...posture, choice: "many", max: 3 }), "up to 3");
  const about = { isInside: true, before: 2, isOffered: true };
  assert.equal(sameText("P1", about), "Same as second 2");
  assert.equal(sameText("P1", { ...about, isOffered: false }), "Answered");
  assert.equal(sameText("P1", { ...about, before: undefined }), "Start of P1");
  assert.equal(sameText("P1", { ...about, isInside: false }), "Outside");
});
