// Finding actions by typing: by the beginnings of their words. No DOM.

/** @typedef {{ group: number, action: number, name: string }} FoundAction places in the vocabulary */

const LIMIT = 8;

/**
 * The actions that `typed` may mean, best first: the beginning of the name, beginnings of its
 * words in order ("ho ph" or "hph": hold a phone), then any part of it. Those of the open group
 * come first among equals.
 * @param {{ actions: { name: string }[] }[]} groups
 * @param {string} typed
 * @param {number} open place of the open group
 * @returns {FoundAction[]} at most 8; of an empty text the actions of the open group
 */
export const findActions = (groups, typed, open) => {
  const wanted = normal(typed);
  const found = groups.flatMap(({ actions }, group) =>
    actions.map(({ name }, action) => ({
      group,
      action,
      name,
      rank: rankOf(normal(name), wanted),
    })),
  );
  return found
    .filter((one) => (wanted ? one.rank < Infinity : one.group === open))
    .sort((a, b) => a.rank - b.rank || distance(a, open) - distance(b, open))
    .slice(0, LIMIT)
    .map(({ group, action, name }) => ({ group, action, name }));
};

/**
 * @param {{ group: number }} one
 * @param {number} open
 */
const distance = (one, open) => (one.group === open ? 0 : 1);

/** @param {string} text */
const normal = (text) =>
  text
    .toLocaleLowerCase()
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();

/**
 * @param {string} name
 * @param {string} wanted
 */
const rankOf = (name, wanted) => {
  if (name.startsWith(wanted)) return 0;
  const words = name.split(" ");
  if (words.some((word) => word.startsWith(wanted))) return 1;
  if (isOfBeginnings(words, wanted.replaceAll(" ", ""))) return 2;
  return name.includes(wanted) ? 3 : Infinity;
};

/**
 * Whether `letters` are beginnings of some of `words`, in their order.
 * @param {string[]} words
 * @param {string} letters
 * @returns {boolean}
 */
const isOfBeginnings = (words, letters) => {
  if (!letters) return true;
  return words.some((word, index) => {
    for (let length = sharedLength(word, letters); length > 0; length -= 1) {
      if (isOfBeginnings(words.slice(index + 1), letters.slice(length))) return true;
    }
    return false;
  });
};

/**
 * @param {string} a
 * @param {string} b
 */
const sharedLength = (a, b) => {
  let length = 0;
  while (length < Math.min(a.length, b.length) && a[length] === b[length]) length += 1;
  return length;
};
