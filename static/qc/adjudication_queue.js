// Queue of open items: those fetched ahead, those decided here, and their count. No DOM.
// A key is "<clip>.<person>.<group>.<second>".

const LOW = 6; // fetch more when fewer items are left

/** @typedef {{ key: string, sameVotes: number[] }} QueueItem sameVotes: seconds of keyframes with the same answers */

/**
 * @template {QueueItem} Item
 * @typedef {object} Decision
 * @property {Item} item
 * @property {string[]} keys of all keyframes decided at once
 * @property {string} [id] by which the outbox undoes it
 */

/**
 * The keys of an item and of the keyframes `seconds` that are decided with it.
 * @param {string} key
 * @param {number[]} seconds
 */
export const keysWith = (key, seconds) => {
  const stem = key.slice(0, key.lastIndexOf("."));
  return [key, ...seconds.map((second) => `${stem}.${second}`)];
};

/** @template {QueueItem} Item */
export class AdjudicationQueue {
  /**
   * @param {string} lastKey of the item shown first
   */
  constructor(lastKey) {
    this.lastKey = lastKey; // of the items fetched
    this.decidedCount = 0; // keyframes decided here
    this.isComplete = false; // the server has no more items
    this.generation = 0; // grows when what is being fetched becomes useless
    /** @type {Item[]} */
    this.upcoming = [];
    /** @type {Decision<Item>[]} */
    this.history = [];
    /** @type {Set<string>} */
    this.decidedKeys = new Set(); // these may have been fetched before they were decided
  }

  get isLow() {
    return !this.isComplete && this.upcoming.length < LOW;
  }

  /**
   * Add what the server sent: no item means that there are no more.
   * @param {Item[]} items
   * @returns {Item[]} those still undecided
   */
  add(items) {
    this.isComplete = !items.length;
    this.lastKey = items.at(-1)?.key ?? this.lastKey;
    const added = items.filter((item) => !this.decidedKeys.has(item.key));
    this.upcoming.push(...added);
    return added;
  }

  /** The next item; null if none is here. */
  next() {
    return this.upcoming.shift() ?? null;
  }

  /**
   * @param {Item} item
   * @param {number[]} seconds of keyframes that are decided with it
   * @returns {Decision<Item>}
   */
  decide(item, seconds) {
    const decision = { item, keys: keysWith(item.key, seconds) };
    for (const key of decision.keys) this.decidedKeys.add(key);
    this.upcoming = this.upcoming.filter((one) => !this.decidedKeys.has(one.key));
    this.history.push(decision);
    this.decidedCount += decision.keys.length;
    return decision;
  }

  /**
   * Open a decision again: its item is shown next, and what follows is fetched anew.
   * @param {Decision<Item>} decision
   */
  reopen(decision) {
    this.history = this.history.filter((one) => one !== decision);
    for (const key of decision.keys) this.decidedKeys.delete(key);
    this.decidedCount -= decision.keys.length;
    this.upcoming = [];
    this.isComplete = false;
    this.lastKey = decision.item.key;
    this.generation += 1;
  }
}
