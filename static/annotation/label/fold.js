// Operations of the label page, folded into a state. No DOM.
// The log is append-only. An operation counts once, one that was undone not at all, and one that
// makes no sense in the state (an unknown person, an answer that the limits refuse) changes nothing.
// annotation/core/answer_segments.py is the same fold: the tests give both the same logs.

import { allowedAnswer } from "./answers.js";
import { boxAt, draw, fill, hide, merged, show } from "./box_paths.js";
import { answersOf, Lane, PERSON } from "./lane.js";

/** @import { Box } from "../../player/geometry.js" */
/** @import { Answer, Group } from "./answers.js" */
/** @import { FrameBox, Stretch } from "./box_paths.js" */
/** @import { LaneData } from "./lane.js" */

/** @typedef {{ id: string, kind: string, number?: number, ms?: number, [field: string]: any }} Operation */
/** @typedef {{ persons: Record<string, LaneData>, clip: Record<string, Answer>, remarks: Record<string, string> }} StateData */
/** @typedef {{ keyframes: number[], frame_count: number, step: number, frame_rate: number }} ClipData */
/** @typedef {{ clip: ClipData, groups: Group[], labels?: string[], start: StateData }} TaskData what the fold needs of the page's data */
/** @typedef {"outside" | "empty" | "partial" | "set" | "kept"} CellState */
/** @typedef {{ state: CellState, isUnsure: boolean, isEdited: boolean }} Cell */

const NEW_KEY = /^[A-Za-z][A-Za-z0-9-]{0,39}$/;
const MAX_TEXT = 2000; // characters of a reply
const FAR = 1_000_000; // pixels; no side of a box is farther out

/**
 * The operations that count: each id once, without those undone and the undoing itself.
 * @param {Operation[]} operations
 */
export const countingOperations = (operations) => {
  /** @type {Map<string, Operation>} */
  const found = new Map();
  const undone = new Set();
  for (const one of operations) {
    const target = String(one.target);
    if (one.kind === "undo") {
      if (found.has(target)) undone.add(target);
    } else if (one.kind === "redo") undone.delete(target);
    else if (!found.has(one.id)) found.set(one.id, one);
  }
  return [...found.values()].filter((one) => !undone.has(one.id));
};

/**
 * A box with an area, or null.
 * @param {unknown} sides
 * @returns {Box | null}
 */
const boxOf = (sides) => {
  if (!Array.isArray(sides) || sides.length !== 4) return null;
  if (!sides.every((side) => typeof side === "number" && side > -FAR && side < FAR)) return null;
  const [x1, y1, x2, y2] = sides;
  return x2 > x1 && y2 > y1 ? [x1, y1, x2, y2] : null;
};

export class Fold {
  /** @param {TaskData} data */
  constructor({ clip, groups, labels = [PERSON], start }) {
    this.clip = { step: clip.step, frameCount: clip.frame_count, frameRate: clip.frame_rate };
    this.allKeyframes = clip.keyframes;
    this.groups = groups;
    this.labels = labels; // classes of which somebody may be drawn
    this.asked = groups.filter((group) => group.scope === "keyframe");
    this.groupOf = new Map(groups.map((group) => [group.name, group]));
    this.start = start;
    /** @type {Operation[]} */
    this.log = [];
    this.known = new Set(); // ids in the log
    /** @type {Map<string, Lane>} */
    this.lanes = new Map();
    /** @type {Map<string, Answer>} */
    this.ofClip = new Map();
    /** @type {Map<string, string>} */
    this.replies = new Map();
    /** @type {Map<string, { keyframes: number[], cells: Map<number, Cell> }>} */
    this.memo = new Map();
    this.refold();
  }

  /** Begin anew, and apply all operations that count. */
  refold() {
    const { persons, clip, remarks } = this.start;
    this.lanes = new Map(Object.entries(persons).map(([key, lane]) => [key, new Lane(lane)]));
    this.ofClip = new Map(Object.entries(clip));
    this.replies = new Map(Object.entries(remarks));
    this.memo.clear();
    for (const one of countingOperations(this.log)) this.change(one);
  }

  /**
   * Replace the log.
   * @param {Operation[]} operations in their order
   */
  load(operations) {
    this.log = [...operations];
    this.known = new Set(operations.map((one) => one.id));
    this.refold();
  }

  /**
   * Add an operation to the log.
   * @param {Operation} operation
   * @returns {boolean} false if it changed nothing
   */
  apply(operation) {
    if (this.known.has(operation.id)) return false;
    this.known.add(operation.id);
    this.log.push(operation);
    if (operation.kind !== "undo" && operation.kind !== "redo") return this.change(operation);
    const before = countingOperations(this.log.slice(0, -1)).length;
    if (countingOperations(this.log).length === before) return false;
    this.refold();
    return true;
  }

  /**
   * Add an operation to the log if it changes something.
   * @param {Operation} operation
   * @returns {boolean} false if it would change nothing
   */
  attempt(operation) {
    if (this.apply(operation)) return true;
    if (this.log.at(-1) === operation) {
      this.log.pop();
      this.known.delete(operation.id);
    }
    return false;
  }

  /** @returns {StateData} */
  get state() {
    return {
      persons: Object.fromEntries([...this.lanes].map(([key, lane]) => [key, lane.toJSON()])),
      clip: Object.fromEntries(this.ofClip),
      remarks: Object.fromEntries(this.replies),
    };
  }

  /** @param {string} key of a person */
  person(key) {
    const lane = this.lanes.get(key);
    if (!lane) throw new Error(`There is no person ${key}.`);
    return lane;
  }

  /** @param {string} key of a person */
  memoOf(key) {
    let memo = this.memo.get(key);
    if (!memo) {
      const { path } = this.person(key);
      const rate = this.clip.frameRate;
      const keyframes = this.allKeyframes.filter((second) => boxAt(path, second * rate) !== null);
      memo = { keyframes, cells: new Map() };
      this.memo.set(key, memo);
    }
    return memo;
  }

  /**
   * The keyframes at which a person is in the frame.
   * @param {string} key of the person
   */
  keyframes(key) {
    return this.memoOf(key).keyframes;
  }

  // How an operation changes the state. Each returns false if it changes nothing.

  /**
   * @param {Operation} operation
   * @returns {boolean}
   */
  change(operation) {
    for (const key of [operation.person, operation.other]) this.memo.delete(key);
    switch (operation.kind) {
      case "set":
        return this.set(operation);
      case "clear":
        return this.clear(operation);
      case "keep":
        return this.keep(operation);
      case "box":
        return this.box(this.laneOf(operation.person), operation);
      case "outside":
      case "inside":
        return this.move(operation);
      case "add":
        return this.add(operation);
      case "delete":
        return this.delete(operation);
      case "restore":
        return this.restore(operation);
      case "merge":
        return this.merge(operation);
      case "split":
        return this.split(operation);
      case "reply":
        return this.reply(operation);
      default:
        return false;
    }
  }

  /** @param {Operation} operation */
  set({ person, second, answers }) {
    return this.isKeyframe(second) && this.answerAll(person, second, answers);
  }

  /**
   * @param {unknown} person
   * @param {number} second
   * @param {unknown} answers
   */
  answerAll(person, second, answers) {
    if (typeof answers !== "object" || answers === null || Array.isArray(answers)) return false;
    const lane = this.laneOf(person);
    let count = 0;
    for (const [name, given] of Object.entries(answers)) {
      const group = this.groupOf.get(name);
      const answer = group ? allowedAnswer(group, given) : null;
      if (!group || answer === null || (group.scope !== "clip" && !lane)) continue;
      count += 1;
      if (group.scope === "clip") this.ofClip.set(name, answer);
      else if (group.scope === "person") lane?.once.set(name, answer);
      else lane?.answer(name, second, answer);
    }
    return count > 0;
  }

  /** @param {Operation} operation */
  clear({ person, second, groups }) {
    if (!this.isKeyframe(second) || !Array.isArray(groups)) return false;
    const lane = this.laneOf(person);
    let count = 0;
    for (const name of groups) {
      const scope = this.groupOf.get(name)?.scope;
      if (!scope || (scope !== "clip" && !lane)) continue;
      count += 1;
      if (scope === "clip") this.ofClip.delete(name);
      else if (scope === "person") lane?.once.delete(name);
      else lane?.clear(name, second);
    }
    return count > 0;
  }

  /** @param {Operation} operation */
  keep({ person, first, last, answers }) {
    const lane = this.laneOf(person);
    if (!lane || !this.isKeyframe(first) || !this.isKeyframe(last)) return false;
    this.answerAll(person, first, answers);
    for (const second of this.keyframes(person)) {
      if (first <= second && second <= last) lane.seen.add(second);
    }
    this.memo.delete(person);
    return true;
  }

  /**
   * @param {Lane | null} lane
   * @param {Operation} operation
   */
  box(lane, operation) {
    const box = boxOf(operation.box);
    if (!lane || !box || !this.isFrame(operation.frame)) return false;
    draw(lane.path, operation.frame, box, this.clip);
    /** @type {FrameBox[]} */
    const boxes = [];
    for (const one of Array.isArray(operation.fill) ? operation.fill : []) {
      const sides = boxOf(one?.box);
      if (sides && this.isFrame(one.frame)) boxes.push({ frame: one.frame, box: sides });
    }
    fill(lane.path, boxes);
    return true;
  }

  /** @param {Operation} operation */
  move({ kind, person, frame, until }) {
    const lane = this.laneOf(person);
    const stop = until ?? this.clip.frameCount;
    const isStop = stop === this.clip.frameCount || this.isFrame(stop);
    if (!lane || !this.isFrame(frame) || !isStop || stop <= frame) return false;
    /** @type {Stretch} */
    const stretch = [frame, stop];
    if (kind === "outside") hide(lane.path, stretch);
    else show(lane.path, stretch);
    return true;
  }

  /** @param {Operation} operation */
  add(operation) {
    const { person, label } = operation;
    if (!this.isNewKey(person)) return false;
    const lane = new Lane({
      number: null,
      shapes: [],
      hidden: [],
      answers: {},
      once: {},
      seen: [],
      gone: "",
      label: this.labels.includes(label) ? label : this.labels[0],
    });
    if (!this.box(lane, operation)) return false;
    this.lanes.set(person, lane);
    return true;
  }

  /** @param {Operation} operation */
  delete({ person }) {
    const lane = this.laneOf(person);
    if (!lane) return false;
    lane.gone = "deleted";
    return true;
  }

  /** @param {Operation} operation */
  restore({ person }) {
    const lane = this.lanes.get(person);
    if (lane?.gone !== "deleted") return false;
    lane.gone = "";
    return true;
  }

  /** @param {Operation} operation */
  merge({ person, other }) {
    const [lane, from] = [this.laneOf(person), this.laneOf(other)];
    if (!lane || !from || lane === from || lane.label !== from.label) return false;
    /** @type {Map<number, Lane>} */
    const sources = new Map();
    for (const second of this.allKeyframes) {
      const frame = second * this.clip.frameRate;
      const source = [lane, from].find((one) => boxAt(one.path, frame) !== null);
      if (source) sources.set(second, source);
    }
    const answers = new Map(this.asked.map(({ name }) => [name, answersOf(sources, name)]));
    const seen = [...sources].filter(([second, source]) => source.seen.has(second));
    lane.answers = answers;
    lane.seen = new Set(seen.map(([second]) => second));
    lane.once = new Map([...from.once, ...lane.once]);
    lane.path = merged(lane.path, from.path, this.clip);
    from.gone = "merged";
    return true;
  }

  /** @param {Operation} operation */
  split({ person, frame, created }) {
    const lane = this.laneOf(person);
    if (!lane || !this.isNewKey(created) || !this.isFrame(frame) || frame === 0) return false;
    const part = new Lane({ ...lane.toJSON(), number: null });
    hide(lane.path, [frame, this.clip.frameCount]);
    hide(part.path, [0, frame]);
    this.lanes.set(created, part);
    return true;
  }

  /** @param {Operation} operation */
  reply({ remark, text }) {
    if (typeof remark !== "string" || typeof text !== "string") return false;
    if ([...text].length > MAX_TEXT) return false;
    if (text) this.replies.set(remark, text);
    else this.replies.delete(remark);
    return true;
  }

  /**
   * The lane of a person who is not gone.
   * @param {unknown} person
   */
  laneOf(person) {
    const lane = typeof person === "string" ? this.lanes.get(person) : undefined;
    return lane && !lane.gone ? lane : null;
  }

  /** @param {unknown} key */
  isNewKey(key) {
    return typeof key === "string" && NEW_KEY.test(key) && !this.lanes.has(key);
  }

  /** @param {unknown} second */
  isKeyframe(second) {
    return typeof second === "number" && this.allKeyframes.includes(second);
  }

  /**
   * Whether it is an annotation frame of the clip.
   * @param {unknown} frame
   */
  isFrame(frame) {
    const { step, frameCount } = this.clip;
    return (
      typeof frame === "number" &&
      Number.isInteger(frame) &&
      frame >= 0 &&
      frame < frameCount &&
      frame % step === 0
    );
  }
}
