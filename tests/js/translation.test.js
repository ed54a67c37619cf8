import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { outboxText } from "../../static/qc/decision_outbox.js";
import { GROUPS, makeWork } from "./label_work.js";

const waiting = /** @type {import("../../static/js/outbox.js").OutboxState} */ (
  /** @type {unknown} */ ({ status: "offline", waiting: 2, message: "" })
);

afterEach(() => Reflect.deleteProperty(globalThis, "django"));

test("sentences stay English without a catalogue, in the form that fits", () => {
  assert.equal(outboxText(waiting), "Offline: 2 decisions kept in this browser, sent later.");
  assert.match(outboxText({ ...waiting, waiting: 1 }), /^Offline: 1 decision kept/);
});

test("sentences are those of the catalogue, with their values", () => {
  Reflect.set(globalThis, "django", {
    /** @param {string} sentence */
    gettext: (sentence) =>
      sentence.startsWith("Offline") ? "Ohne Netz: %(decisions)s bleiben hier." : sentence,
    /** @param {string} _one @param {string} _many @param {number} count */
    ngettext: (_one, _many, count) =>
      count === 1 ? "%(count)s Entscheidung" : "%(count)s Entscheidungen",
  });
  assert.equal(outboxText(waiting), "Ohne Netz: 2 Entscheidungen bleiben hier.");
});

test("the label page speaks the language of the catalogue", async () => {
  /** @type {Record<string, string>} */
  const german = {
    "%(group)s: %(answer)s, not confirmed.": "%(answer)s bei %(group)s, nicht bestätigt.",
    none: "nichts",
    "open a group": "eine Gruppe öffnen",
    "Same as second %(second)s": "Wie in Sekunde %(second)s",
    "Saved %(count)s min ago": "Vor %(count)s min gesichert",
  };
  Reflect.set(globalThis, "django", {
    /** @param {string} sentence */
    gettext: (sentence) => german[sentence] ?? sentence,
    /** @param {string} one @param {string} many @param {number} count */
    ngettext: (one, many, count) =>
      one.startsWith("Saving") ? "%(count)s werden gesichert" : count === 1 ? one : many,
  });
  const label = "../../static/annotation/label"; // anew: constants are translated when it is loaded
  const { sameText, savedText, spokenPlace } = await import(`${label}/texts.js?german`);
  const { KEYS } = await import(`${label}/key_map.js?german`);
  assert.match(spokenPlace(makeWork(), GROUPS, { person: "1", second: 1 }), / nichts bei doing, /);
  assert.equal(KEYS[0].description, "eine Gruppe öffnen");
  const about = { isInside: true, before: 4, isOffered: true };
  assert.equal(sameText("P1", about), "Wie in Sekunde 4");
  const saved = { status: "saved", waiting: 0, savedAt: 0, message: "" };
  assert.equal(savedText(saved, 119_000).text, "Vor 1 min gesichert");
  assert.equal(savedText({ ...saved, waiting: 2 }, 0).text, "2 werden gesichert");
});
