// Scene of one clip: tracks, answers and consensus, as the view `qc:scene` sends them. No DOM.
// Frames are 0-based. Keyframe k is the frame at second k of the clip; it stands for the frames
// within half a second of it.

import { request } from "../js/requests.js";
import { fill, gettext } from "../js/translation.js";
import { keyframePath, trackPath } from "./paths.js";

/** @import { Box } from "./geometry.js" */
/** @import { BoxAtFrame, BoxPath, TrackPart } from "./paths.js" */

/** @typedef {string | string[] | null | undefined} Answer an action, a list of actions, "unset" */

/**
 * The answers about one person at one keyframe, in one action group.
 * @typedef {object} Label
 * @property {string[]} actions of the consensus
 * @property {string} rule by which the consensus was found; "open", or "" before there is one
 * @property {Record<string, Answer>} votes by annotator
 */

/**
 * One person at one keyframe.
 * @typedef {object} PersonAnswers
 * @property {Box} box of the consensus
 * @property {string} status of the consensus: "disputed", "dropped", ...; "" before there is one
 * @property {Record<string, Box>} drawn by annotator
 * @property {Record<string, Label>} labels by action group
 */

/** @typedef {{ number: number, label: string, parts: TrackPart[] }} TrackedPerson */
/** @typedef {Record<string, Record<string, PersonAnswers>>} Answers by second, then person number */

/**
 * @typedef {object} SceneData
 * @property {number} frame_rate frames per second
 * @property {number} frame_count
 * @property {number} width pixels of the video
 * @property {number} height pixels of the video
 * @property {number[]} keyframes seconds
 * @property {number[]} cuts frames with which another scene begins
 * @property {string[]} groups action groups
 * @property {TrackedPerson[]} persons
 * @property {Record<string, string>} classes what those are who are no persons, by number
 * @property {Answers} answers
 */

const FIRST_DRAWN = 10_000; // numbers of persons whom annotators drew and the tracker missed
const FIRST_UNMATCHED = 1_000_000_000; // of those no consensus has matched yet
const LOOP_SECONDS = 3;

export class Scene {
  /** @param {SceneData} data */
  constructor(data) {
    this.frameRate = data.frame_rate;
    this.frameCount = data.frame_count;
    this.size = { width: data.width, height: data.height };
    this.keyframes = data.keyframes;
    this.cuts = data.cuts;
    this.groups = data.groups;
    this.persons = data.persons;
    this.classes = data.classes;
    this.answers = data.answers;
    this.tracked = new Map(data.persons.map((person) => [person.number, person]));
    /** @type {Map<string, BoxPath>} */
    this.paths = new Map();

    const rows = Object.values(data.answers);
    const people = rows.flatMap((row) => Object.values(row));
    const names = people.flatMap((person) => [
      ...Object.keys(person.drawn),
      ...Object.values(person.labels).flatMap((label) => Object.keys(label.votes)),
    ]);
    const numbers = [
      ...this.tracked.keys(),
      ...rows.flatMap((row) => Object.keys(row).map(Number)),
    ];
    this.annotators = [...new Set(names)].sort();
    this.personNumbers = [...new Set(numbers)].sort((a, b) => a - b);
    this.answeredSeconds = Object.keys(data.answers)
      .map(Number)
      .sort((a, b) => a - b);
  }

  /**
   * @param {number} second
   * @param {number} number of the person
   * @returns {PersonAnswers | null}
   */
  personAt(second, number) {
    return this.answers[second]?.[number] || null;
  }

  /** @param {number} number */
  personName(number) {
    const tracked = this.tracked.get(number);
    if (tracked) return tracked.label;
    const label = this.classes[number];
    const drawn = label ? fill(gettext("new %(class)s"), { class: label }) : gettext("new person");
    if (number >= FIRST_UNMATCHED) return drawn;
    if (number >= FIRST_DRAWN) return `${drawn} ${(number % FIRST_DRAWN) + 1}`;
    return [`P${number}`, label].filter(Boolean).join(" ");
  }

  /**
   * The box of the tracker; for a person whom annotators drew, that of the consensus.
   * @param {number} number of the person
   * @param {number} frame
   * @returns {BoxAtFrame | null}
   */
  boxOf(number, frame) {
    const person = this.tracked.get(number);
    const path = this.pathOf(`${number}`, () =>
      person
        ? trackPath(person.parts, this.frameCount)
        : this.keyframePath((second) => this.consensusBox(second, number)),
    );
    return path.at(frame);
  }

  /**
   * The box that an annotator drew, or left as it was.
   * @param {string} annotator
   * @param {number} number of the person
   * @param {number} frame
   * @returns {BoxAtFrame | null}
   */
  drawnBox(annotator, number, frame) {
    const path = this.pathOf(`${number} ${annotator}`, () =>
      this.keyframePath((second) => this.personAt(second, number)?.drawn[annotator] || null),
    );
    return path.at(frame);
  }

  /**
   * @param {number} second
   * @param {number} number of the person
   */
  consensusBox(second, number) {
    const person = this.personAt(second, number);
    return person && person.status !== "dropped" ? person.box : null;
  }

  /**
   * Replace the box of the consensus at a keyframe.
   * @param {number} second
   * @param {number} number of the person
   * @param {Box} box
   */
  setConsensusBox(second, number, box) {
    const person = this.personAt(second, number);
    if (!person) return;
    person.box = box;
    this.paths.delete(`${number}`);
  }

  /** @param {number} frame */
  clampFrame(frame) {
    return Math.max(0, Math.min(frame, this.frameCount - 1));
  }

  /**
   * The second of the keyframe that stands for `frame`; null if none does.
   * @param {number} frame
   */
  keyframeOf(frame) {
    const second = Math.round(frame / this.frameRate);
    return this.keyframes.includes(second) ? second : null;
  }

  /**
   * The frame of the next keyframe, or with a negative `by` of the previous one.
   * @param {number} frame
   * @param {number} by
   * @returns {number | undefined}
   */
  nextKeyframe(frame, by) {
    const frames = this.keyframes.map((second) => second * this.frameRate);
    return by > 0 ? frames.find((one) => one > frame) : frames.findLast((one) => one < frame);
  }

  /**
   * The frames that the keyframe at `second` stands for.
   * @param {number} second
   * @returns {{ start: number, stop: number }} frames, stop exclusive
   */
  framesOfSecond(second) {
    const [middle, half] = [second * this.frameRate, this.frameRate / 2];
    return { start: Math.max(0, middle - half), stop: Math.min(middle + half, this.frameCount) };
  }

  /**
   * 3 s around the full second nearest to `frame`.
   * @param {number} frame
   * @returns {{ start: number, stop: number }} frames, stop exclusive
   */
  loopAround(frame) {
    const middle = Math.round(frame / this.frameRate) * this.frameRate;
    const half = Math.floor((LOOP_SECONDS / 2) * this.frameRate);
    return { start: Math.max(0, middle - half), stop: Math.min(this.frameCount, middle + half) };
  }

  /** @param {(second: number) => Box | null} boxAt */
  keyframePath(boxAt) {
    return keyframePath(boxAt, this.frameCount, this.frameRate);
  }

  /**
   * @param {string} key
   * @param {() => BoxPath} make
   */
  pathOf(key, make) {
    const known = this.paths.get(key);
    if (known) return known;
    const path = make();
    this.paths.set(key, path);
    return path;
  }
}

/** What a player shows before a scene is loaded. */
export const emptyScene = () =>
  new Scene({
    frame_rate: 30,
    frame_count: 1,
    width: 16,
    height: 9,
    keyframes: [],
    cuts: [],
    groups: [],
    persons: [],
    classes: {},
    answers: {},
  });

/** @type {Map<string, Promise<Scene>>} */
const scenes = new Map();

/**
 * Fetch the scene at `url`, once for all callers; a failure is tried again by the next caller.
 * @param {string} url
 */
export const fetchScene = (url) => {
  const known = scenes.get(url);
  if (known) return known;
  const scene = request(url).then(async (response) => {
    if (!response.ok) throw new Error(`${url}: ${response.status}`);
    return new Scene(await response.json());
  });
  scene.catch(() => scenes.delete(url));
  scenes.set(url, scene);
  return scene;
};
