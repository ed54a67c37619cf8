// Puts files into one zip without compressing or copying them: the zip is a list of parts that the
// browser reads from the disk when it sends them. Only their CRC-32 is computed before. No DOM.
// Format: APPNOTE.TXT of PKWARE, with zip64 where sizes or offsets need it.

/**
 * @typedef {object} Entry
 * @property {Uint8Array<ArrayBuffer>} name
 * @property {number} crc
 * @property {number} size bytes
 * @property {number} start of its local header, bytes
 */

const CHUNK = 8 * 2 ** 20; // bytes read at once
const LIMIT = 0xffffffff; // sizes and offsets from here on stand in an extra field (zip64)
const DATE = 0x21; // 1 January 1980 for all: the same files give the same zip
const VERSION = 45; // needed to extract: zip64
const UTF8 = 0x800; // flag: names are UTF-8

const CRC_TABLE = new Uint32Array(256).map((_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

/**
 * @param {File} file
 * @param {(bytes: number) => void} onRead called with the length of each chunk
 */
const crc32 = async (file, onRead) => {
  let crc = ~0;
  for (let start = 0; start < file.size; start += CHUNK) {
    const bytes = new Uint8Array(await file.slice(start, start + CHUNK).arrayBuffer());
    for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
    onRead(bytes.length);
  }
  return ~crc >>> 0;
};

/** @typedef {[bytes: 2 | 4 | 8, value: number]} Field */

/**
 * Little-endian numbers, one after another.
 * @param {Field[]} fields
 */
const record = (...fields) => {
  const view = new DataView(new ArrayBuffer(fields.reduce((total, [bytes]) => total + bytes, 0)));
  let offset = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(offset, value, true);
    else if (bytes === 4) view.setUint32(offset, value, true);
    else view.setBigUint64(offset, BigInt(value), true);
    offset += bytes;
  }
  return new Uint8Array(view.buffer);
};

/** @param {number} value */
const limited = (value) => Math.min(value, LIMIT);

/**
 * The extra field of zip64 for the values that need it.
 * @param {number[]} values
 */
const extraField = (values) => {
  const fields = values.map((value) => /** @type {Field} */ ([8, value]));
  return fields.length ? record([2, 1], [2, 8 * fields.length], ...fields) : new Uint8Array();
};

/**
 * What the local and the central header of a file share.
 * @param {Entry} entry
 * @param {Uint8Array} extra
 * @returns {Field[]}
 */
const commonFields = ({ name, crc, size }, extra) => [
  [2, VERSION],
  [2, UTF8],
  [2, 0],
  [2, 0],
  [2, DATE],
  [4, crc],
  [4, limited(size)],
  [4, limited(size)],
  [2, name.length],
  [2, extra.length],
];

/** @param {File} file of a chosen folder, or alone */
const pathOf = (file) => file.webkitRelativePath || file.name;

/**
 * One zip of `files`, sorted by their paths.
 * @param {File[]} files
 * @param {string} name of the zip
 * @param {(share: number) => void} onProgress from 0 to 1
 */
export const zipFiles = async (files, name, onProgress) => {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  /** @type {(Uint8Array<ArrayBuffer> | File)[]} */
  const parts = [];
  /** @type {Entry[]} */
  const entries = [];
  let [read, offset] = [0, 0];
  /** @param {(Uint8Array<ArrayBuffer> | File)[]} added */
  const add = (...added) => {
    for (const part of added) offset += part instanceof File ? part.size : part.length;
    parts.push(...added);
  };
  for (const file of [...files].sort((a, b) => (pathOf(a) < pathOf(b) ? -1 : 1))) {
    const crc = await crc32(file, (bytes) => {
      read += bytes;
      onProgress(read / Math.max(total, 1));
    });
    const { size } = file;
    const entry = { crc, size, name: new TextEncoder().encode(pathOf(file)), start: offset };
    const extra = extraField(size >= LIMIT ? [size, size] : []);
    add(record([4, 0x04034b50], ...commonFields(entry, extra)), entry.name, extra, file);
    entries.push(entry);
  }
  const start = offset; // of the central directory
  for (const entry of entries) {
    const { size } = entry;
    const extra = extraField([size, size, entry.start].filter((value) => value >= LIMIT));
    const header = record(
      [4, 0x02014b50],
      [2, VERSION],
      ...commonFields(entry, extra),
      [2, 0],
      [2, 0],
      [2, 0],
      [4, 0],
      [4, limited(entry.start)],
    );
    add(header, entry.name, extra);
  }
  add(...directoryEnd(start, offset, entries.length));
  const lastModified = Math.max(...files.map((file) => file.lastModified));
  return new File(parts, name, { type: "application/zip", lastModified });
};

/**
 * What follows the central directory.
 * @param {number} start of the directory, bytes
 * @param {number} stop bytes
 * @param {number} count of its entries
 */
const directoryEnd = (start, stop, count) => {
  const length = stop - start;
  const end = record(
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, count],
    [2, count],
    [4, length],
    [4, limited(start)],
    [2, 0],
  );
  if (start < LIMIT) return [end];
  const end64 = record(
    [4, 0x06064b50],
    [8, 44],
    [2, VERSION],
    [2, VERSION],
    [4, 0],
    [4, 0],
    [8, count],
    [8, count],
    [8, length],
    [8, start],
  );
  return [end64, record([4, 0x07064b50], [4, 0], [8, stop], [4, 1]), end];
};
