// Answers of the label page: what the vocabulary and its limits allow. No DOM.
// An answer is an action (choice "one"), a list of actions (choice "many"; empty: none), "unknown"
// (looked, can't tell) or "unset" (nobody looked).

/** @typedef {string | string[]} Answer */
/** @typedef {{ url: string, caption: string, is_yes: boolean }} Example */
/** @typedef {{ name: string, id?: number, hint?: string, images?: Example[] }} Action */

/**
 * @typedef {object} Group
 * @property {string} name
 * @property {string} [title] as pages show it
 * @property {"one" | "many"} choice
 * @property {boolean} required
 * @property {number} max actions of a choice of many
 * @property {"keyframe" | "person" | "clip"} scope what one answer holds for
 * @property {Action[]} actions
 */

export const UNSET = "unset";
export const UNKNOWN = "unknown";

/**
 * The answer in the order of the group, or null if the vocabulary or its limits refuse it.
 * @param {Group} group
 * @param {unknown} answer
 * @returns {Answer | null}
 */
export const allowedAnswer = (group, answer) => {
  if (answer === UNKNOWN) return UNKNOWN;
  if (group.choice === "one") {
    return typeof answer === "string" && group.actions.some((one) => one.name === answer)
      ? answer
      : null;
  }
  if (!Array.isArray(answer) || !answer.every((one) => typeof one === "string")) return null;
  const chosen = group.actions.map((one) => one.name).filter((name) => answer.includes(name));
  return chosen.length === answer.length && answer.length <= group.max ? chosen : null;
};

/**
 * @param {Answer} answer
 * @param {string} action
 */
export const isChosen = (answer, action) =>
  Array.isArray(answer) ? answer.includes(action) : answer === action;

/**
 * The answer after an action is chosen, or taken back; null if the limit is reached.
 * An answer of one choice is replaced, and "unset" when the same action is chosen again.
 * @param {Group} group
 * @param {Answer} answer
 * @param {string} action
 * @returns {Answer | null}
 */
export const toggled = (group, answer, action) => {
  if (group.choice === "one") return answer === action ? UNSET : action;
  const chosen = Array.isArray(answer) ? answer : [];
  if (chosen.includes(action)) return chosen.filter((one) => one !== action);
  return allowedAnswer(group, [...chosen, action]);
};

/**
 * Whether two answers say the same; the server orders actions by id, this page as they are shown.
 * @param {Answer} a
 * @param {Answer} b
 */
export const isSameAnswer = (a, b) =>
  Array.isArray(a) && Array.isArray(b)
    ? a.length === b.length && a.every((one) => b.includes(one))
    : a === b;
