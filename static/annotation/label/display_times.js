// How long each keyframe of each person has been on display since the page was opened. No DOM.

/** @import { Place } from "./walk.js" */

const MAX_STAY = 60_000; // ms of one stay that count; longer, the annotator was away

export class DisplayTimes {
  /** @param {() => number} now ms */
  constructor(now = () => performance.now()) {
    this.now = now;
    /** @type {Map<string, number>} ms by person and keyframe, without the stay that goes on */
    this.times = new Map();
    /** @type {Place | null} */
    this.at = null;
    this.since = 0;
  }

  /** @param {Place | null} place what is on display from now on; the same place goes on */
  show(place) {
    const { at } = this;
    if (at && place && at.person === place.person && at.second === place.second) return;
    if (at) this.times.set(keyOf(at.person, at.second), this.of(at.person, at.second, at.second));
    this.at = place;
    this.since = this.now();
  }

  /**
   * How long keyframes of a person have been on display, all together.
   * @param {string} person
   * @param {number} first
   * @param {number} last
   * @returns {number} ms, whole
   */
  of(person, first, last) {
    const { at } = this;
    let sum = 0;
    for (let second = first; second <= last; second += 1) {
      sum += this.times.get(keyOf(person, second)) ?? 0;
    }
    const isHere = at?.person === person && first <= at.second && at.second <= last;
    if (isHere) sum += Math.min(this.now() - this.since, MAX_STAY);
    return Math.round(sum);
  }

  /**
   * An operation with how long what it answers or keeps has been on display.
   * @template {{ kind: string, [field: string]: any }} Fields
   * @param {Fields} operation
   * @returns {Fields & { shown?: number }}
   */
  timed(operation) {
    const { kind, person, second, first = second, last = second } = operation;
    if (kind !== "set" && kind !== "keep") return operation;
    return { ...operation, shown: this.of(person, first, last) };
  }
}

/**
 * @param {string} person
 * @param {number} second
 */
const keyOf = (person, second) => `${person} ${second}`;
