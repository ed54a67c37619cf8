// Puts files into one zip without compressing or copying them: the zip is a list of pieces that the
// browser reads from the disk when it sends them. Only their sums (CRC-32) are reckoned before.
(() => {
  const CHUNK = 8 * 2 ** 20;
  const LARGE = 0xffffffff; // from here on sizes and places stand in an extra field (zip64)
  const NO_DATE = 0x21; // 1 January 1980: the same files give the same zip
  const table = new Uint32Array(256).map((_, byte) => {
    for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
    return byte;
  });

  const sumOf = async (file, progress) => {
    let sum = ~0;
    for (let start = 0; start < file.size; start += CHUNK) {
      const bytes = new Uint8Array(await file.slice(start, start + CHUNK).arrayBuffer());
      for (let place = 0; place < bytes.length; place++) sum = table[(sum ^ bytes[place]) & 255] ^ (sum >>> 8);
      progress(bytes.length);
    }
    return ~sum >>> 0;
  };

  // Numbers of 2, 4 or 8 bytes one after another, the low byte first.
  const numbers = (...pairs) => {
    const view = new DataView(new ArrayBuffer(pairs.reduce((total, [size]) => total + size, 0)));
    let place = 0;
    for (const [size, value] of pairs) {
      if (size === 2) view.setUint16(place, value, true);
      else if (size === 4) view.setUint32(place, value, true);
      else view.setBigUint64(place, BigInt(value), true);
      place += size;
    }
    return new Uint8Array(view.buffer);
  };
  const small = (value) => Math.min(value, LARGE);

  const sizesOf = ({ sum, size, name, extra }) =>
    [[2, 45], [2, 0x800], [2, 0], [2, 0], [2, NO_DATE], [4, sum], [4, small(size)], [4, small(size)], [2, name.length], [2, extra.length]];

  globalThis.packFiles = async (files, name, tell) => {
    const total = files.reduce((sum, file) => sum + file.size, 0);
    const pieces = [];
    const list = [];
    let [done, place] = [0, 0];
    const add = (piece) => {
      pieces.push(piece);
      place += piece.size ?? piece.length;
    };
    for (const file of [...files].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const sum = await sumOf(file, (count) => tell((done += count) / Math.max(total, 1)));
      const is64 = file.size >= LARGE;
      const entry = { sum, size: file.size, name: new TextEncoder().encode(file.name), start: place };
      entry.extra = is64 ? numbers([2, 1], [2, 16], [8, file.size], [8, file.size]) : new Uint8Array();
      add(numbers([4, 0x04034b50], ...sizesOf(entry)));
      add(entry.name);
      add(entry.extra);
      add(file);
      list.push(entry);
    }
    const begin = place;
    for (const entry of list) {
      const large = [...[entry.size, entry.size].filter((size) => size >= LARGE), ...[entry.start].filter((start) => start >= LARGE)];
      entry.extra = large.length ? numbers([2, 1], [2, 8 * large.length], ...large.map((value) => [8, value])) : new Uint8Array();
      add(numbers([4, 0x02014b50], [2, 45], ...sizesOf(entry), [2, 0], [2, 0], [2, 0], [4, 0], [4, small(entry.start)]));
      add(entry.name);
      add(entry.extra);
    }
    const [end, count] = [place, list.length];
    if (begin >= LARGE) {
      add(numbers([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count], [8, end - begin], [8, begin]));
      add(numbers([4, 0x07064b50], [4, 0], [8, end], [4, 1]));
    }
    add(numbers([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, end - begin], [4, small(begin)], [2, 0]));
    const lastModified = Math.max(...files.map((file) => file.lastModified));
    return new File(pieces, name, { type: "application/zip", lastModified });
  };
})();
