// Translation of sentences in scripts: marked by these functions, for `makemessages -d djangojs`.
// Pages load Django's catalogue before them where the language is not English.

/**
 * @typedef {object} Catalogue
 * @property {(sentence: string) => string} gettext
 * @property {(one: string, many: string, count: number) => string} ngettext
 */

/** @returns {Catalogue | undefined} */
const catalogue = () => /** @type {any} */ (globalThis).django;

/** @param {string} sentence @returns {string} its translation, or itself */
export const gettext = (sentence) => catalogue()?.gettext(sentence) ?? sentence;

/**
 * @param {string} one
 * @param {string} many
 * @param {number} count
 * @returns {string} the form that fits the number
 */
export const ngettext = (one, many, count) =>
  catalogue()?.ngettext(one, many, count) ?? (count === 1 ? one : many);

/**
 * A marked sentence with its values.
 * @param {string} sentence with placeholders such as `%(count)s`
 * @param {Record<string, string | number>} values
 */
export const fill = (sentence, values) =>
  sentence.replace(/%\((\w+)\)s/g, (placeholder, name) => String(values[name] ?? placeholder));
