// Lanes of the label page: one person in the clip, with boxes and answers. No DOM.
// An answer is set at a keyframe (whole clip seconds) and holds until another is set; it counts
// where it was set, and where the keyframe was looked at. annotation/core/label_state.py says the same.

import { isSameAnswer, UNSET } from "./answers.js";

/** @import { Answer } from "./answers.js" */
/** @import { BoxPath, PathShape, Stretch } from "./box_paths.js" */

export const PERSON = "person"; // the class of a lane that says none

/** @typedef {Map<string, [number, Answer][]>} Answers by group; those of a group ascend by second */

/**
 * A lane as JSON.
 * @typedef {object} LaneData
 * @property {number | null} number of the pre-annotation; null for a person who was drawn
 * @property {PathShape[]} shapes
 * @property {Stretch[]} hidden
 * @property {Record<string, [number, Answer][]>} answers
 * @property {Record<string, Answer>} once answers of groups of scope person
 * @property {number[]} seen keyframes that were looked at
 * @property {"" | "deleted" | "merged"} gone
 * @property {string} [label] what it is, of the classes that are followed; a person if not there
 */

export class Lane {
  /** @param {LaneData} data */
  constructor(data) {
    this.number = data.number;
    /** @type {BoxPath} */
    this.path = { shapes: [...data.shapes], hidden: data.hidden.map(([a, b]) => [a, b]) };
    /** @type {Answers} */
    this.answers = new Map(
      Object.entries(data.answers).map(([group, given]) => [group, given.map(([a, b]) => [a, b])]),
    );
    /** @type {Map<string, Answer>} */
    this.once = new Map(Object.entries(data.once));
    this.seen = new Set(data.seen);
    this.gone = data.gone;
    this.label = data.label ?? PERSON;
  }

  /** @returns {LaneData} */
  toJSON() {
    return {
      number: this.number,
      shapes: this.path.shapes,
      hidden: this.path.hidden,
      answers: Object.fromEntries([...this.answers].filter(([, given]) => given.length)),
      once: Object.fromEntries(this.once),
      seen: [...this.seen].sort((a, b) => a - b),
      gone: this.gone,
      ...(this.label === PERSON ? {} : { label: this.label }),
    };
  }

  /**
   * What was set exactly at a keyframe; "unset" if it was cleared there; null if nothing was.
   * @param {string} group
   * @param {number} second
   * @returns {Answer | null}
   */
  setAt(group, second) {
    return this.answers.get(group)?.find(([at]) => at === second)?.[1] ?? null;
  }

  /**
   * The last answer set at or before a keyframe, looked at or not.
   * @param {string} group
   * @param {number} second
   * @returns {Answer}
   */
  heldAt(group, second) {
    return this.answers.get(group)?.findLast(([at]) => at <= second)?.[1] ?? UNSET;
  }

  /**
   * The answer that counts at a keyframe.
   * @param {string} group
   * @param {number} second
   * @returns {Answer}
   */
  countedAt(group, second) {
    const here = this.setAt(group, second);
    if (here !== null) return here;
    return this.seen.has(second) ? this.heldAt(group, second) : UNSET;
  }

  /**
   * @param {string} group
   * @param {number} second
   * @param {Answer} answer
   */
  answer(group, second, answer) {
    const rest = (this.answers.get(group) ?? []).filter(([at]) => at !== second);
    this.answers.set(
      group,
      [...rest, /** @type {[number, Answer]} */ ([second, answer])].sort((a, b) => a[0] - b[0]),
    );
  }

  /**
   * @param {string} group
   * @param {number} second
   */
  clear(group, second) {
    const given = this.answers.get(group) ?? [];
    this.answers.set(
      group,
      given.filter(([at]) => at !== second),
    );
    if (this.heldAt(group, second) !== UNSET) this.answer(group, second, UNSET);
  }
}

/**
 * The answers to a group, each keyframe's taken from its source.
 * @param {Map<number, Lane>} sources by keyframe, ascending
 * @param {string} group
 */
export const answersOf = (sources, group) => {
  /** @type {[number, Answer][]} */
  const found = [];
  /** @type {Answer} */
  let running = UNSET;
  for (const [second, source] of sources) {
    const held = source.heldAt(group, second);
    if (isSameAnswer(held, running) && source.setAt(group, second) === null) continue;
    found.push([second, held]);
    running = held;
  }
  return found;
};
