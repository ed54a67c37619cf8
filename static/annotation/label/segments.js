// Work on one task of the label page: what the state says, and what can be undone. No DOM.
// The log of operations is folded in fold.js.

import { UNKNOWN, UNSET } from "./answers.js";
import { boxAt, isDrawnAt } from "./box_paths.js";
import { Fold } from "./fold.js";

/** @import { Box } from "../../player/geometry.js" */
/** @import { Answer } from "./answers.js" */
/** @import { Cell, Operation } from "./fold.js" */
/** @import { Lane } from "./lane.js" */

/** @typedef {{ person: string, second: number | null, group: string }} Unset group "": the keyframe was not looked at */

/** A new id of an operation: 128 random bits. */
export const newId = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};

/** The key of a person whom the annotator draws. */
export const newPersonKey = () => `d-${newId().slice(0, 16)}`;

export class Labelling extends Fold {
  /** The keys of the living persons: by first keyframe, then number; drawn ones last. */
  persons() {
    const living = [...this.lanes]
      .filter(([key, lane]) => !lane.gone && this.keyframes(key).length)
      .map(([key, lane]) => ({ key, first: this.keyframes(key)[0], number: lane.number }));
    living.sort(
      (a, b) =>
        a.first - b.first ||
        Number(a.number === null) - Number(b.number === null) ||
        (a.number ?? 0) - (b.number ?? 0) ||
        (a.key < b.key ? -1 : 1),
    );
    return living.map(({ key }) => key);
  }

  /**
   * @param {string} key of a person
   * @param {number} frame
   * @returns {{ box: Box, isEdited: boolean } | null} isEdited: drawn at exactly this frame
   */
  boxAt(key, frame) {
    const { path } = this.person(key);
    const box = boxAt(path, frame);
    return box && { box, isEdited: isDrawnAt(path, frame) };
  }

  /**
   * @param {string} key of a person
   * @param {number} frame
   */
  isInside(key, frame) {
    return boxAt(this.person(key).path, frame) !== null;
  }

  /**
   * @param {string} key of a person; "" will do for a group of scope clip
   * @param {string} name of the group
   * @param {number} second
   * @returns {{ answer: Answer, origin: "set" | "kept" | "offered" | "unset" }}
   */
  answerAt(key, name, second) {
    const group = this.groupOf.get(name);
    if (group && group.scope !== "keyframe") {
      const given = group.scope === "clip" ? this.ofClip : this.person(key).once;
      const answer = given.get(name) ?? UNSET;
      return { answer, origin: answer === UNSET ? "unset" : "set" };
    }
    const lane = this.person(key);
    const here = lane.setAt(name, second);
    const answer = here ?? lane.heldAt(name, second);
    if (answer === UNSET) return { answer, origin: "unset" };
    if (here !== null) return { answer, origin: "set" };
    return { answer, origin: lane.seen.has(second) ? "kept" : "offered" };
  }

  /**
   * @param {string} key of a person
   * @param {number} second
   * @returns {Cell}
   */
  cell(key, second) {
    const { cells, keyframes } = this.memoOf(key);
    let cell = cells.get(second);
    if (!cell) {
      cell = keyframes.includes(second)
        ? this.newCell(this.person(key), second)
        : { state: "outside", isUnsure: false, isEdited: false };
      cells.set(second, cell);
    }
    return cell;
  }

  /**
   * @param {Lane} lane
   * @param {number} second
   * @returns {Cell}
   */
  newCell(lane, second) {
    const counted = this.asked.map((group) => lane.countedAt(group.name, second));
    const isSet = this.asked.some(({ name }) => (lane.setAt(name, second) ?? UNSET) !== UNSET);
    const isDone = this.openAt(lane, second).length === 0;
    const isAnswered = counted.some((answer) => answer !== UNSET);
    return {
      state: isDone ? (isSet ? "set" : "kept") : isAnswered ? "partial" : "empty",
      isUnsure: counted.includes(UNKNOWN),
      isEdited: isDrawnAt(lane.path, second * this.clip.frameRate),
    };
  }

  /**
   * Groups that are open at a keyframe; [""] if it was not looked at.
   * @param {Lane} lane
   * @param {number} second
   */
  openAt(lane, second) {
    const missing = this.asked
      .filter(({ name, required }) => required && lane.countedAt(name, second) === UNSET)
      .map((group) => group.name);
    if (missing.length || lane.seen.has(second)) return missing;
    const isAllSet = this.asked.every(({ name }) => (lane.setAt(name, second) ?? UNSET) !== UNSET);
    return isAllSet ? [] : [""];
  }

  /**
   * What must be answered before the work can be submitted, in the order of work.
   * @returns {Unset[]}
   */
  unset() {
    /** @type {Unset[]} */
    const found = [];
    const persons = this.persons();
    /** @type {(scope: string, given: Map<string, Answer>) => string[]} */
    const once = (scope, given) =>
      this.groups
        .filter((group) => group.scope === scope && group.required && !given.has(group.name))
        .map((group) => group.name);
    for (const person of persons) {
      const lane = this.person(person);
      for (const second of this.keyframes(person)) {
        for (const group of this.openAt(lane, second)) found.push({ person, second, group });
      }
      for (const group of once("person", lane.once)) found.push({ person, second: null, group });
    }
    if (persons.length) {
      for (const group of once("clip", this.ofClip))
        found.push({ person: "", second: null, group });
    }
    return found;
  }

  /** How many keyframes of persons are done, and how many there are. */
  progress() {
    const cells = this.persons().flatMap((key) =>
      this.keyframes(key).map((second) => this.cell(key, second).state),
    );
    const done = cells.filter((state) => state === "set" || state === "kept").length;
    return { done, total: cells.length };
  }

  /** What can be undone and redone, the latest last. */
  history() {
    /** @type {Operation[]} */
    let done = [];
    /** @type {Operation[]} */
    let undone = [];
    const known = new Set();
    for (const one of this.log) {
      if (one.kind === "undo") {
        const target = done.find(({ id }) => id === one.target);
        if (!target) continue;
        done = done.filter((other) => other !== target);
        undone.push(target);
      } else if (one.kind === "redo") {
        const target = undone.find(({ id }) => id === one.target);
        if (!target) continue;
        undone = undone.filter((other) => other !== target);
        done.push(target);
      } else if (!known.has(one.id)) {
        known.add(one.id);
        done.push(one);
        undone = [];
      }
    }
    return { done, undone };
  }

  /** @returns {Operation | null} */
  undoTarget() {
    return this.history().done.at(-1) ?? null;
  }

  /** @returns {Operation | null} */
  redoTarget() {
    return this.history().undone.at(-1) ?? null;
  }
}
