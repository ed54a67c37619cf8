// The walk through a task: one person through the whole clip, then the next. No DOM.

/** @import { Answer, Group } from "./answers.js" */
/** @import { Labelling } from "./segments.js" */

/** @typedef {{ person: string, second: number }} Place */

/**
 * The first keyframe of a person that is not done; the keyframe nearest to `second` if all are.
 * @param {Labelling} work
 * @param {string} person
 * @param {number} second
 * @returns {number | null} null: the person is at no keyframe
 */
export const secondToOpen = (work, person, second = -Infinity) => {
  const seconds = work.keyframes(person);
  const open = seconds.find((one) => !isDone(work, person, one));
  if (open !== undefined) return open;
  const nearest = [...seconds].sort((a, b) => Math.abs(a - second) - Math.abs(b - second) || a - b);
  return nearest[0] ?? null;
};

/**
 * Whether somebody has looked at a person at a keyframe, and nothing required is unset.
 * @param {Labelling} work
 * @param {string} person
 * @param {number} second
 */
export const isDone = (work, person, second) =>
  ["set", "kept"].includes(work.cell(person, second).state);

/**
 * Where the work goes on when a keyframe is finished: the next keyframe of the person, then the
 * next person with open keyframes.
 * @param {Labelling} work
 * @param {Place} at
 * @returns {Place | null} null: nothing is open behind it
 */
export const placeAfter = (work, at) => {
  const next = work.keyframes(at.person).find((second) => second > at.second);
  return next === undefined ? nextOpenPerson(work, at.person) : { ...at, second: next };
};

/**
 * The next person with open keyframes, after the last one again from the first.
 * @param {Labelling} work
 * @param {string} person
 * @returns {Place | null} null: nobody has
 */
export const nextOpenPerson = (work, person) => {
  const persons = work.persons();
  const from = persons.indexOf(person) + 1;
  for (const key of [...persons.slice(from), ...persons.slice(0, from)]) {
    const second = work.keyframes(key).find((one) => !isDone(work, key, one));
    if (second !== undefined) return { person: key, second };
  }
  return null;
};

/**
 * The next or previous person that is at some keyframe.
 * @param {Labelling} work
 * @param {Place} at
 * @param {number} by 1 or -1
 * @returns {Place | null} null: there is none
 */
export const neighbour = (work, at, by) => {
  const persons = work.persons();
  for (let place = persons.indexOf(at.person) + by; persons[place]; place += by) {
    const second = secondToOpen(work, persons[place], at.second);
    if (second !== null) return { person: persons[place], second };
  }
  return null;
};

/**
 * @typedef {object} Choice what a group shows at a keyframe
 * @property {Answer} answer chosen, or proposed
 * @property {"set" | "kept" | "proposed" | "unset"} origin proposed: shown dashed, which Enter accepts
 */

/**
 * What is chosen of a group, or proposed: as in the keyframe before, and "none" in an optional
 * group of many that was never answered.
 * @param {Labelling} work
 * @param {Group} group
 * @param {Place} at
 * @returns {Choice}
 */
export const choiceAt = (work, group, { person, second }) => {
  const { answer, origin } = work.answerAt(person, group.name, second);
  if (origin === "offered") return { answer, origin: "proposed" };
  if (origin === "unset" && !group.required && group.choice === "many") {
    return { answer: [], origin: "proposed" };
  }
  return { answer, origin };
};

/**
 * The operation that accepts what is dashed at `at`, up to `last`.
 * @param {Labelling} work
 * @param {Group[]} groups
 * @param {Place} at
 * @param {number} last second
 * @returns {{ missing: number } | { kind: "keep", person: string, first: number, last: number, answers: Record<string, Answer> }}
 *   missing: place of the first required group without an answer
 */
export const keepOf = (work, groups, { person, second }, last) => {
  /** @type {Record<string, Answer>} */
  const answers = {};
  for (const [place, group] of groups.entries()) {
    const { answer, origin } = choiceAt(work, group, { person, second });
    if (origin === "unset" && group.required) return { missing: place };
    const isProposed = origin === "proposed" && isNew(work, group, { person, second });
    if (isProposed) answers[group.name] = answer;
  }
  return { kind: "keep", person, first: second, last, answers };
};

/**
 * Whether a group was never answered for a person up to a keyframe.
 * @param {Labelling} work
 * @param {Group} group
 * @param {Place} at
 */
const isNew = (work, group, { person, second }) =>
  work.answerAt(person, group.name, second).origin === "unset";

/**
 * The group to open when `open` is answered: the next that was never answered.
 * @param {Labelling} work
 * @param {Group[]} groups
 * @param {Place} at
 * @param {number} open
 * @returns {number} `open` if there is none
 */
export const groupAfter = (work, groups, at, open) => {
  const places = [...groups.keys()];
  const order = [...places.slice(open + 1), ...places.slice(0, open)];
  return order.find((place) => isNew(work, groups[place], at)) ?? open;
};

/**
 * The group to open at another keyframe: the first that was never answered, or the same as before.
 * @param {Labelling} work
 * @param {Group[]} groups
 * @param {Place} at
 * @param {number} open
 */
export const groupToOpen = (work, groups, at, open) => {
  const first = groups.findIndex((group) => isNew(work, group, at));
  return first < 0 ? open : first;
};

/**
 * The next frame to paint ahead: keyframes of this person from here on, then where the next begins.
 * @param {Labelling} work
 * @param {Place} at
 * @returns {number[]} seconds, the most likely first
 */
export const secondsAhead = (work, at) => {
  const seconds = work.keyframes(at.person);
  const later = seconds.filter((second) => second >= at.second);
  const starts = [neighbour(work, at, 1), neighbour(work, at, -1), nextOpenPerson(work, at.person)];
  const before = seconds.filter((second) => second < at.second).reverse();
  return [
    ...new Set([
      ...later.slice(0, 4),
      ...starts.flatMap((place) => place?.second ?? []),
      ...later.slice(4),
      ...before,
    ]),
  ];
};
