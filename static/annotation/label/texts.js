// Words for answers, lanes and the header: what a cell, a person and the task have come to. No DOM.

/** @import { Answer, Group } from "./answers.js" */
/** @import { Cell } from "./fold.js" */
/** @import { Labelling } from "./segments.js" */
/** @import { Place } from "./walk.js" */

import { fill, gettext, ngettext } from "../../js/translation.js";
import { PERSON } from "./lane.js";
import { choiceAt } from "./walk.js";

/**
 * "walk", "wave, carry", "none", "can't tell", or "" for no answer.
 * @param {Answer} answer
 */
export const textOf = (answer) => {
  if (Array.isArray(answer)) return answer.join(", ") || gettext("none");
  if (answer === "unset") return "";
  return answer === "unknown" ? gettext("can't tell") : answer;
};

/**
 * How much of a group may be chosen: "one", "up to 2".
 * @param {Group} group
 */
export const limitText = ({ choice, max }) =>
  choice === "one" || max === 1 ? gettext("one") : fill(gettext("up to %(count)s"), { count: max });

/** @type {Record<Cell["state"], string>} */
const STATES = {
  outside: gettext("outside the frame"),
  empty: gettext("not answered"),
  partial: gettext("partly answered"),
  set: gettext("answered"),
  kept: gettext("as before"),
};

/** @param {Cell} cell */
export const cellText = ({ state, isUnsure, isEdited }) =>
  [STATES[state], isUnsure && gettext("can't tell"), isEdited && gettext("box edited")]
    .filter(Boolean)
    .join(", ");

/**
 * "done", "1 unsure", "5 of 11", or "no keyframe".
 * @param {Cell[]} cells of one person
 */
export const laneText = (cells) => {
  const inside = cells.filter((cell) => cell.state !== "outside");
  const done = inside.filter((cell) => cell.state === "set" || cell.state === "kept");
  const unsure = inside.filter((cell) => cell.isUnsure).length;
  if (!inside.length) return gettext("no keyframe");
  if (done.length < inside.length)
    return fill(gettext("%(done)s of %(total)s"), { done: done.length, total: inside.length });
  return unsure
    ? fill(ngettext("%(count)s unsure", "%(count)s unsure", unsure), { count: unsure })
    : gettext("done");
};

/**
 * The name of a person: the number of the dataset, or the order among those drawn here; with the
 * class of what is no person.
 * @param {Labelling} work
 * @param {string} key
 */
export const personName = (work, key) => {
  const { number, label } = work.person(key);
  if (number !== null) return label === PERSON ? `P${number}` : `P${number} ${label}`;
  const order = drawnKeys(work).indexOf(key) + 1;
  return label === PERSON
    ? fill(gettext("new person %(number)s"), { number: order })
    : fill(gettext("new %(class)s %(number)s"), { class: label, number: order });
};

/**
 * Whether all that is followed are persons.
 * @param {{ labels: string[] }} about
 */
export const isOfPersons = ({ labels }) => labels.length === 1 && labels[0] === PERSON;

/**
 * The colour of a person, as a number for `colourOf` of the player.
 * @param {Labelling} work
 * @param {string} key
 */
export const personColour = (work, key) =>
  work.person(key).number ?? drawnKeys(work).indexOf(key) + 3;

/** @param {Labelling} work */
const drawnKeys = (work) =>
  Object.keys(work.state.persons).filter((key) => work.state.persons[key].number === null);

/**
 * "about 2 min left", "less than a minute left"; "" when nothing is.
 * @param {number} seconds
 */
export const leftText = (seconds) => {
  if (seconds <= 0) return "";
  const minutes = Math.round(seconds / 60);
  return minutes < 1
    ? gettext("less than a minute left")
    : fill(gettext("about %(count)s min left"), { count: minutes });
};

/**
 * The saved state in words, and its tone.
 * @param {{ status: string, waiting: number, savedAt: number | null, message: string }} state of the outbox
 * @param {number} now milliseconds
 * @returns {{ text: string, tone: "ok" | "info" | "warn" | "bad" }}
 */
export const savedText = ({ status, waiting, savedAt, message }, now) => {
  if (status === "offline") {
    const text = ngettext(
      "Offline, %(count)s change kept in this browser",
      "Offline, %(count)s changes kept in this browser",
      waiting,
    );
    return { text: fill(text, { count: waiting }), tone: "warn" };
  }
  if (status === "log in") {
    const text = ngettext(
      "Logged out, %(count)s change kept in this browser",
      "Logged out, %(count)s changes kept in this browser",
      waiting,
    );
    return { text: fill(text, { count: waiting }), tone: "warn" };
  }
  if (status === "taken over")
    return { text: gettext("Open elsewhere, not saved here"), tone: "bad" };
  if (status === "refused")
    return { text: fill(gettext("Not saved: %(sentence)s"), { sentence: message }), tone: "bad" };
  if (waiting) {
    const text = ngettext("Saving %(count)s change", "Saving %(count)s changes", waiting);
    return { text: fill(text, { count: waiting }), tone: "info" };
  }
  if (savedAt === null) return { text: gettext("No changes yet"), tone: "ok" };
  return { text: savedAgo((now - savedAt) / 1000), tone: "ok" };
};

/** @param {number} seconds */
const savedAgo = (seconds) => {
  if (seconds < 1) return gettext("Saved just now");
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  if (!minutes) return fill(gettext("Saved %(count)s s ago"), { count: Math.floor(seconds) });
  return hours
    ? fill(gettext("Saved %(count)s h ago"), { count: hours })
    : fill(gettext("Saved %(count)s min ago"), { count: minutes });
};

/** @type {Record<string, string>} */
const SPOKEN = {
  set: gettext("%(group)s: %(answer)s."),
  kept: gettext("%(group)s: %(answer)s, as before."),
  proposed: gettext("%(group)s: %(answer)s, not confirmed."),
  unset: gettext("%(group)s: no answer."),
};

/**
 * A place with its answers, for screen readers.
 * @param {Labelling} work
 * @param {Group[]} groups
 * @param {Place} at
 */
export const spokenPlace = (work, groups, at) => {
  const { person, second } = at;
  const place = { person: personName(work, person), second };
  if (!work.keyframes(person).includes(second))
    return fill(gettext("%(person)s, second %(second)s: outside the frame."), place);
  const answers = groups.map((group) => {
    const { answer, origin } = choiceAt(work, group, at);
    return fill(SPOKEN[origin], { group: titleOf(group), answer: textOf(answer) });
  });
  return [fill(gettext("%(person)s, second %(second)s."), place), ...answers].join(" ");
};

/** @param {Group} group */
export const titleOf = ({ title, name }) => title ?? name;

/**
 * Keyframes in a sentence: "second 4", "seconds 2 to 5, 7"; "" for none.
 * @param {number[]} seconds ascending
 */
export const secondsText = (seconds) => {
  /** @type {[number, number][]} */
  const runs = [];
  for (const second of seconds) {
    const last = runs.at(-1);
    if (last && second === last[1] + 1) last[1] = second;
    else runs.push([second, second]);
  }
  if (!runs.length) return "";
  const parts = runs.map(([first, last]) =>
    first === last ? `${first}` : fill(gettext("%(first)s to %(last)s"), { first, last }),
  );
  const text = ngettext("second %(seconds)s", "seconds %(seconds)s", seconds.length);
  return fill(text, { seconds: parts.join(", ") });
};

/**
 * What the button that keeps answers says of a place.
 * @param {string} person name
 * @param {object} about
 * @param {boolean} about.isInside the person is in the frame there
 * @param {number | undefined} about.before the keyframe of the person before; undefined: none
 * @param {boolean} about.isOffered some answer is dashed
 */
export const sameText = (person, { isInside, before, isOffered }) => {
  if (!isInside) return gettext("Outside");
  if (before === undefined) return fill(gettext("Start of %(person)s"), { person });
  return isOffered
    ? fill(gettext("Same as second %(second)s"), { second: before })
    : gettext("Answered");
};
