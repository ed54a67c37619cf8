// Uploads: static/datasets/sizes_and_durations.js, tus.js and zip_files.js.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  formatDuration,
  formatSize,
  progressText,
} from "../../static/datasets/sizes_and_durations.js";
import { TemporaryError, UploadClient } from "../../static/datasets/tus.js";
import { zipFiles } from "../../static/datasets/zip_files.js";

test("sizes and durations have a unit that fits", () => {
  assert.equal(formatSize(1300), "1.3 KB");
  assert.equal(formatSize(40 * 2 ** 20), "40.0 MB");
  assert.equal(formatSize(2.5 * 2 ** 30), "2.50 GB");
  assert.deepEqual([0.2, 89, 600, 7200].map(formatDuration), ["1 s", "89 s", "10 min", "2.0 h"]);
});

test("the speed is that since the upload continued", () => {
  const [sent, total, since] = [30, 40, 10].map((size) => size * 2 ** 20);
  const text = progressText({ sent, total, since, seconds: 10 });
  assert.equal(text, "30.0 MB of 40.0 MB · 2.0 MB/s · 5 s left");
  assert.equal(progressText({ sent: since, total, since, seconds: 0 }), "10.0 MB of 40.0 MB");
});

/**
 * What a client is told of an upload that is answered so.
 * @param {string} type
 * @param {string} text
 */
const refusal = async (type, text) => {
  const session = { csrfToken: () => "", logInAgain: async () => {} };
  const client = new UploadClient(session);
  const answer = { status: 503, responseText: text, getResponseHeader: () => type };
  client.request = async () => /** @type {any} */ (answer);
  return client.begin(new File(["one"], "v.zip"), "/").catch((error) => error);
};

test("an upload is tried again, and says why", async () => {
  for (const [type, text, message] of [
    ["text/plain", "The bucket is away.", "The bucket is away."],
    ["application/json", '{"error": "The bucket is away."}', "The bucket is away."],
    ["application/json", "{}", ""],
    ["text/html; charset=utf-8", "<html>", ""],
  ]) {
    const error = await refusal(type, text);
    assert.ok(error instanceof TemporaryError);
    assert.equal(error.message, message);
  }
});

test("the same files give the same zip, and Python reads it", async () => {
  const files = [new File(["two"], "tracks.pkl"), new File(["one"], "frames.zip")];
  /** @type {number[]} */
  const shares = [];
  const zip = await zipFiles(files, "bundle.zip", (share) => shares.push(share));
  const again = await zipFiles(files.toReversed(), "bundle.zip", () => {});
  const bytes = Buffer.from(await zip.arrayBuffer());
  assert.deepEqual(Buffer.from(await again.arrayBuffer()), bytes);
  assert.equal(shares.at(-1), 1);
  const path = join(mkdtempSync(join(tmpdir(), "ava-")), "bundle.zip");
  writeFileSync(path, bytes);
  const read =
    "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); " +
    "print(z.testzip(), *[(n, z.read(n)) for n in z.namelist()])";
  assert.equal(
    execFileSync("python3", ["-c", read, path], { encoding: "utf8" }).trim(),
    "None ('frames.zip', b'one') ('tracks.pkl', b'two')",
  );
});

test("files of a folder keep their paths in the zip", async () => {
  const files = ["b/walk.mp4", "a/walk.mp4"].map((path) => {
    const file = new File([path], "walk.mp4");
    return Object.defineProperty(file, "webkitRelativePath", { value: path });
  });
  const text = await (await zipFiles(files, "walks.zip", () => {})).text();
  assert.deepEqual(text.match(/[ab]\/walk\.mp4/g), [
    ...["a/walk.mp4", "a/walk.mp4", "b/walk.mp4", "b/walk.mp4"],
    ...["a/walk.mp4", "b/walk.mp4"],
  ]);
});
