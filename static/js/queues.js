// Queues of an outbox on disk (IndexedDB), one a tab. No DOM.
// A tab holds its queue by a Web Lock: the queue of a tab that was reloaded, or has crashed, is found
// again by the next tab with the same subject.

/** @import { Entry, Queue } from "./outbox.js" */

/**
 * What a queue belongs to.
 * @typedef {object} QueueRecord
 * @property {string} holder
 * @property {string} subject what its entries are about: "label 17"
 * @property {number} heardAt ms since 1970
 * @property {Record<string, any>} notes of the page
 */

/**
 * @typedef {object} Claim a queue that this tab holds
 * @property {Queue} queue
 * @property {Entry[]} entries left by an earlier tab, by number
 * @property {Record<string, any>} notes that the page has left with the queue
 * @property {(notes: Record<string, any>) => Promise<unknown>} note
 * @property {() => Promise<void>} forget remove the queue, with what is in it
 * @property {() => void} release let another tab find it
 */

/**
 * @typedef {object} Store
 * @property {(subject: string) => Promise<QueueRecord[]>} records
 * @property {(record: QueueRecord) => Promise<unknown>} write
 * @property {(holder: string) => Promise<Entry[]>} entries
 * @property {(holder: string, entries: Entry[]) => Promise<unknown>} put
 * @property {(holder: string, upTo: number) => Promise<unknown>} remove
 * @property {(holder: string) => Promise<unknown>} forget
 */

const DATABASE = "ava-studio";
const SILENT = 60_000; // ms after which a queue is free where the browser has no locks

/** @param {IDBRequest | IDBTransaction} work */
const finished = (work) =>
  new Promise((resolve, reject) => {
    const done = () => resolve("result" in work ? work.result : undefined);
    if ("result" in work || work instanceof IDBRequest) {
      /** @type {IDBRequest} */ (work).onsuccess = done;
    } else work.oncomplete = done;
    work.onerror = () => reject(work.error);
  });

/** @returns {Promise<Store>} */
export const openStore = async () => {
  try {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore("queues", { keyPath: "holder" });
      opening.result.createObjectStore("entries", { keyPath: ["holder", "number"] });
    };
    const database = await new Promise((resolve, reject) => {
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
    return indexedStore(database);
  } catch {
    return memoryStore(); // a private window: only what is open is kept
  }
};

/**
 * @param {IDBDatabase} database
 * @returns {Store}
 */
const indexedStore = (database) => {
  /** @param {string} holder */
  const rangeOf = (holder, upTo = Infinity) => IDBKeyRange.bound([holder, 0], [holder, upTo]);
  /** @type {(names: string[], act: (transaction: IDBTransaction) => void) => Promise<unknown>} */
  const write = (names, act) => {
    const transaction = database.transaction(names, "readwrite", { durability: "strict" });
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
    act(transaction);
    return done;
  };
  /** @param {string} name */
  const read = (name) => database.transaction(name).objectStore(name);
  return {
    records: async (subject) => {
      const all = /** @type {QueueRecord[]} */ (await finished(read("queues").getAll()));
      return all.filter((one) => one.subject === subject);
    },
    write: (record) => write(["queues"], (work) => work.objectStore("queues").put(record)),
    entries: async (holder) => {
      const all = await finished(read("entries").getAll(rangeOf(holder)));
      return /** @type {any[]} */ (all).map(({ entry }) => entry);
    },
    put: (holder, entries) =>
      write(["entries"], (work) => {
        const rows = work.objectStore("entries");
        for (const entry of entries) rows.put({ holder, number: entry.number, entry });
      }),
    remove: (holder, upTo) =>
      write(["entries"], (work) => work.objectStore("entries").delete(rangeOf(holder, upTo))),
    forget: (holder) =>
      write(["queues", "entries"], (work) => {
        work.objectStore("queues").delete(holder);
        work.objectStore("entries").delete(rangeOf(holder));
      }),
  };
};

/**
 * A store that lives as long as its page.
 * @returns {Store}
 */
export const memoryStore = () => {
  /** @type {Map<string, QueueRecord>} */
  const records = new Map();
  /** @type {Map<string, Map<number, Entry>>} */
  const rows = new Map();
  /** @param {string} holder */
  const rowsOf = (holder) => rows.get(holder) ?? rows.set(holder, new Map()).get(holder);
  return {
    records: async (subject) => [...records.values()].filter((one) => one.subject === subject),
    write: async (record) => records.set(record.holder, structuredClone(record)),
    entries: async (holder) =>
      [...(rowsOf(holder)?.values() ?? [])].sort((a, b) => a.number - b.number),
    put: async (holder, entries) => {
      for (const entry of entries) rowsOf(holder)?.set(entry.number, structuredClone(entry));
    },
    remove: async (holder, upTo) => {
      for (const number of [...(rowsOf(holder)?.keys() ?? [])]) {
        if (number <= upTo) rowsOf(holder)?.delete(number);
      }
    },
    forget: async (holder) => {
      records.delete(holder);
      rows.delete(holder);
    },
  };
};

/**
 * Hold a name as long as this page lives.
 * @param {string} name
 * @param {LockManager | undefined} locks
 * @returns {Promise<(() => void) | null>} releases it; null if another tab has it
 */
const hold = (name, locks) =>
  new Promise((resolve) => {
    if (!locks) {
      resolve(() => {});
      return;
    }
    locks.request(name, { ifAvailable: true }, (lock) => {
      if (!lock) {
        resolve(null);
        return undefined;
      }
      return new Promise((release) => resolve(() => release(undefined)));
    });
  });

/**
 * The queue of a subject that no other tab holds, those with entries first; else a new one.
 * @param {Store} store
 * @param {string} subject
 * @param {{ newId: () => string, locks?: LockManager, now?: () => number }} about
 * @returns {Promise<Claim>}
 */
export const claimQueue = async (store, subject, { newId, locks, now = Date.now }) => {
  const found = [];
  for (const record of await store.records(subject)) {
    if (!locks && now() - record.heardAt < SILENT) continue;
    const release = await hold(record.holder, locks);
    if (!release) continue;
    found.push({ record, release, entries: await store.entries(record.holder) });
  }
  found.sort((a, b) => b.entries.length - a.entries.length);
  const [first, ...others] = found;
  for (const { record, release, entries } of others) {
    if (!entries.length) await store.forget(record.holder);
    release();
  }
  const record = first?.record ?? { holder: newId(), subject, heardAt: now(), notes: {} };
  const release = first?.release ?? (await hold(record.holder, locks)) ?? (() => {});
  const { holder } = record;
  /** @param {Record<string, any>} notes */
  const note = (notes) => {
    record.notes = { ...record.notes, ...notes };
    record.heardAt = now();
    return store.write(record);
  };
  await note({});
  return {
    queue: {
      holder,
      put: (entries) => store.put(holder, entries),
      remove: (upTo) => store.remove(holder, upTo),
    },
    entries: first?.entries ?? [],
    notes: record.notes,
    note,
    forget: async () => {
      await store.forget(holder);
    },
    release,
  };
};
