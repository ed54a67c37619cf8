// Words for answers, lanes and the header: what a cell, a person and the task have come to. No DOM.

/** @import { Answer, Group } from "./answers.js" */
/** @import { Cell } from "./fold.js" */
/** @import { Labelling } from "./segments.js" */
/** @import { Place } from "./walk.js" */

import { choiceAt } from "./walk.js";

/**
 * "walk", "wave, carry", "none", "can't tell", or "" for no answer.
 * @param {Answer} answer
 */
export const textOf = (answer) => {
  if (Array.isArray(answer)) return answer.join(", ") || "none";
  if (answer === "unset") return "";
  return answer === "unknown" ? "can't tell" : answer;
};

/**
 * How much of a group may be chosen: "one", "up to 2".
 * @param {Group} group
 */
export const limitText = ({ choice, max }) =>
  choice === "one" || max === 1 ? "one" : `up to ${max}`;

/** @type {Record<Cell["state"], string>} */
const STATES = {
  outside: "outside the frame",
  empty: "not answered",
  partial: "partly answered",
  set: "answered",
  kept: "as before",
};

/** @param {Cell} cell */
export const cellText = ({ state, isUnsure, isEdited }) =>
  [STATES[state], isUnsure && "can't tell", isEdited && "box edited"].filter(Boolean).join(", ");

/**
 * "done", "1 unsure", "5 of 11", or "no keyframe".
 * @param {Cell[]} cells of one person
 */
export const laneText = (cells) => {
  const inside = cells.filter((cell) => cell.state !== "outside");
  const done = inside.filter((cell) => cell.state === "set" || cell.state === "kept");
  const unsure = inside.filter((cell) => cell.isUnsure).length;
  if (!inside.length) return "no keyframe";
  if (done.length < inside.length) return `${done.length} of ${inside.length}`;
  return unsure ? `${unsure} unsure` : "done";
};

/**
 * The name of a person: the number of the dataset, or the order among those drawn here.
 * @param {Labelling} work
 * @param {string} key
 */
export const personName = (work, key) => {
  const { number } = work.person(key);
  return number === null ? `new person ${drawnKeys(work).indexOf(key) + 1}` : `P${number}`;
};

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
  return minutes < 1 ? "less than a minute left" : `about ${minutes} min left`;
};

/**
 * The saved state in words, and its tone.
 * @param {{ status: string, waiting: number, savedAt: number | null, message: string }} state of the outbox
 * @param {number} now milliseconds
 * @returns {{ text: string, tone: "ok" | "info" | "warn" | "bad" }}
 */
export const savedText = ({ status, waiting, savedAt, message }, now) => {
  const changes = `${waiting} change${waiting === 1 ? "" : "s"}`;
  if (status === "offline")
    return { text: `Offline, ${changes} kept in this browser`, tone: "warn" };
  if (status === "log in")
    return { text: `Logged out, ${changes} kept in this browser`, tone: "warn" };
  if (status === "taken over") return { text: "Open elsewhere, not saved here", tone: "bad" };
  if (status === "refused") return { text: `Not saved: ${message}`, tone: "bad" };
  if (waiting) return { text: `Saving ${changes}`, tone: "info" };
  if (savedAt === null) return { text: "No changes yet", tone: "ok" };
  return { text: `Saved ${agoText((now - savedAt) / 1000)}`, tone: "ok" };
};

/** @param {number} seconds */
const agoText = (seconds) => {
  if (seconds < 1) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`;
};

/** @type {Record<string, string>} */
const ORIGINS = { set: "", kept: ", as before", proposed: ", not confirmed", unset: "no answer" };

/**
 * A place with its answers, for screen readers.
 * @param {Labelling} work
 * @param {Group[]} groups
 * @param {Place} at
 */
export const spokenPlace = (work, groups, at) => {
  const { person, second } = at;
  const place = `${personName(work, person)}, second ${second}`;
  if (!work.keyframes(person).includes(second)) return `${place}: outside the frame.`;
  const answers = groups.map((group) => {
    const { answer, origin } = choiceAt(work, group, at);
    return `${titleOf(group)}: ${textOf(answer)}${ORIGINS[origin]}.`;
  });
  return [`${place}.`, ...answers].join(" ");
};

/** @param {Group} group */
export const titleOf = ({ title, name }) => title ?? name;

/**
 * Keyframes in a sentence: ", second 4", ", seconds 2 to 5, 7"; "" for none.
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
  const parts = runs.map(([first, last]) => (first === last ? `${first}` : `${first} to ${last}`));
  return `, second${seconds.length > 1 ? "s" : ""} ${parts.join(", ")}`;
};
