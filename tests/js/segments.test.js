// Work on a task of the label page: static/annotation/label/segments.js and fold.js.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Labelling } from "../../static/annotation/label/segments.js";

const file = new URL("../core/annotation/label_cases.json", import.meta.url);
const { cases, ...data } = JSON.parse(readFileSync(file, "utf8"));

/** @param {unknown} value as JSON has it */
const plain = (value) => JSON.parse(JSON.stringify(value));

test("every log folds to the state that Python folds it to, at once and one by one", () => {
  assert.ok(cases.length >= 50);
  for (const [number, { log, state, unset, progress }] of cases.entries()) {
    const loaded = new Labelling(data);
    loaded.load(log);
    const stepwise = new Labelling(data);
    for (const one of log) stepwise.apply(one);
    for (const work of [loaded, stepwise]) {
      assert.deepEqual(plain(work.state), state, `case ${number}`);
      assert.deepEqual(work.unset(), unset, `case ${number}`);
      assert.deepEqual(work.progress(), progress, `case ${number}`);
    }
  }
});

test("a person and a vehicle are never merged", () => {
  const work = new Labelling({ ...data, labels: ["person", "vehicle"] });
  const box = [10, 10, 30, 60];
  work.apply({ id: "a", kind: "add", person: "d-1", frame: 0, box, label: "vehicle" });
  work.apply({ id: "b", kind: "add", person: "d-2", frame: 0, box, label: "vehicle" });
  const before = plain(work.state);
  assert.equal(work.apply({ id: "c", kind: "merge", person: "1", other: "d-1" }), false);
  assert.deepEqual(plain(work.state), before);
  assert.equal(work.apply({ id: "d", kind: "merge", person: "d-2", other: "d-1" }), true);
});
