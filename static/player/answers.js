// Answers as text, disagreements between annotators, and segments of equal answers. No DOM.

import { gettext } from "../js/translation.js";

/** @import { Answer, Scene } from "./scene.js" */

/** @typedef {Map<number, Map<string, number[]>>} Disagreements person number -> group -> seconds */
/** @typedef {{ text: string, isDisputed: boolean, start: number, stop: number }} Segment frames, stop exclusive */

export const PERSON = "~person"; // in place of an action group: whether it is a person at all

/**
 * An action group as pages name it: "object_manipulation" -> "Object manipulation".
 * @param {string} group
 */
export const groupLabel = (group) => {
  const words = group.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/**
 * "walk", "walk, wave", "none", or "" for no answer.
 * @param {Answer} answer
 */
export const answerText = (answer) => {
  if (Array.isArray(answer)) return answer.join(", ") || gettext("none");
  return answer === null || answer === undefined || answer === "unset" ? "" : answer;
};

/**
 * The keyframes at which annotators gave different answers, or the consensus is open.
 * @param {Scene} scene
 * @returns {Disagreements}
 */
export const findDisagreements = (scene) => {
  /** @type {Disagreements} */
  const found = new Map();
  /** @type {(number: string, group: string, second: number) => void} */
  const add = (number, group, second) => {
    const groups = found.get(Number(number)) ?? new Map();
    found.set(Number(number), groups.set(group, [...(groups.get(group) ?? []), second]));
  };
  for (const second of scene.answeredSeconds) {
    for (const [number, person] of Object.entries(scene.answers[second])) {
      if (person.status === "disputed") add(number, PERSON, second);
      for (const [group, label] of Object.entries(person.labels)) {
        const texts = new Set(Object.values(label.votes).map(answerText).filter(Boolean));
        if (texts.size > 1 || label.rule === "open") add(number, group, second);
      }
    }
  }
  return found;
};

/**
 * The seconds at which the answers about a person disagree in any group.
 * @param {Disagreements} disagreements
 * @param {number} number of the person
 */
export const disputedSeconds = (disagreements, number) => [
  ...new Set([...(disagreements.get(number)?.values() ?? [])].flat()),
];

/**
 * The disagreement after the one at `at`, in order of time and person.
 * @param {Disagreements} disagreements
 * @param {{ second: number, number: number | null }} at where the player is; null: no person chosen
 * @param {number} by 1: the next, -1: the previous
 * @returns {{ number: number, second: number } | null}
 */
export const nextDisagreement = (disagreements, at, by) => {
  const all = [...disagreements.keys()].flatMap((number) =>
    disputedSeconds(disagreements, number).map((second) => ({ number, second })),
  );
  all.sort((a, b) => a.second - b.second || a.number - b.number);
  const isHere = all.some((one) => one.second === at.second);
  const number = isHere ? (at.number ?? 0) : by > 0 ? -Infinity : Infinity;
  /** @param {{ number: number, second: number }} one */
  const order = (one) => one.second - at.second || one.number - number;
  return (
    (by > 0 ? all.find((one) => order(one) > 0) : all.findLast((one) => order(one) < 0)) ?? null
  );
};

/**
 * Stretches of consecutive keyframes with the same text.
 * @param {Scene} scene
 * @param {(second: number) => string} textAt "" where there is nothing
 * @param {Set<number>} disputed seconds
 * @returns {Segment[]}
 */
export const answerSegments = (scene, textAt, disputed) => {
  /** @type {Segment[]} */
  const segments = [];
  for (const second of scene.answeredSeconds) {
    const text = textAt(second);
    const isDisputed = disputed.has(second);
    const { start, stop } = scene.framesOfSecond(second);
    const last = segments.at(-1);
    const isSame = last?.text === text && last.isDisputed === isDisputed && last.stop === start;
    if (last && isSame) last.stop = stop;
    else segments.push({ text, isDisputed, start, stop });
  }
  return segments.filter((segment) => segment.text);
};
