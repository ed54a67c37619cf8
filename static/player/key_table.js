// Key table of a page: which key runs which action. No DOM.
// A key is the event's `key` in lower case; a digit is its `code`, so that Shift+1 is "1" everywhere.

/**
 * @typedef {object} KeyBinding
 * @property {string[]} keys
 * @property {string} label of the keys in the help, parted by spaces
 * @property {string} description in the help; "" hides it
 * @property {(event: KeyboardEvent) => unknown} action returns false if the key is left to the browser
 */

/** @param {{ key: string, code: string }} event */
export const keyName = ({ key, code }) =>
  /^(Digit|Numpad)\d$/.test(code) ? code.slice(-1) : key.toLowerCase();

/**
 * The action of each key.
 * @param {KeyBinding[]} bindings
 * @throws {Error} if a key is bound twice
 */
export const keyTable = (bindings) => {
  /** @type {Map<string, KeyBinding>} */
  const table = new Map();
  for (const binding of bindings) {
    for (const key of binding.keys.map((one) => one.toLowerCase())) {
      const other = table.get(key);
      if (other) {
        throw new Error(
          `The key "${key}" is bound twice: "${other.description}" and "${binding.description}".`,
        );
      }
      table.set(key, binding);
    }
  }
  return table;
};
