// Resumable uploads: the client of tus 1.0.0 (tus.io) with checksums, and of multipart uploads that
// go straight into an S3 bucket. No DOM.

import { fill, gettext } from "../js/translation.js";

/** @typedef {{ url: string, partSize: number }} Transfer partSize: bytes of a part in the bucket; 0: no bucket */
/** @typedef {{ csrfToken: () => string, logInAgain: () => Promise<void> }} Session see js/session.js */
/** @typedef {(bytes: number) => void} OnProgress bytes of the file that were sent */

/**
 * @typedef {object} RequestOptions
 * @property {Record<string, string>} [headers]
 * @property {Blob | URLSearchParams | null} [body]
 * @property {(bytes: number) => void} [onProgress] bytes of the body that were sent
 * @property {boolean} [isToBucket] sent without the headers of our own server
 */

const PIECE = 16 * 2 ** 20; // bytes sent by one request
const TEMPORARY = [409, 423, 460, 500, 502, 503, 504]; // statuses

/** The server refuses the file: another try would not help. */
export class UploadRefusedError extends Error {}

/** The server is in trouble or out of step: try again. The message may be empty. */
export class TemporaryError extends Error {}

/** @param {Uint8Array} bytes */
const base64 = (bytes) => btoa(String.fromCharCode(...bytes));

/**
 * The SHA-256 of a piece in base64; "" where browsers have none, outside https and localhost.
 * @param {Blob} piece
 */
const sha256 = async (piece) => {
  if (!crypto.subtle) return "";
  return base64(new Uint8Array(await crypto.subtle.digest("SHA-256", await piece.arrayBuffer())));
};

/** @param {XMLHttpRequest} request */
const checkStatus = (request) => {
  if (request.status < 300) return request;
  const kind = request.getResponseHeader("Content-Type") || "";
  let message = kind.startsWith("text/plain") ? request.responseText : "";
  if (kind.startsWith("application/json")) message = JSON.parse(request.responseText).error ?? "";
  if (TEMPORARY.includes(request.status)) throw new TemporaryError(message);
  const advice = gettext("Log in again, then choose the same file to continue the upload.");
  throw new UploadRefusedError(
    message ||
      `${fill(gettext("The server answered %(status)s."), { status: request.status })} ${advice}`,
  );
};

export class UploadClient {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    /** @type {XMLHttpRequest | null} */
    this.running = null;
  }

  /** Break off the running request. */
  abort() {
    this.running?.abort();
  }

  /**
   * Resolve to the answered request, whatever its status; reject if the connection broke. Where
   * the session has ended, it is sent again after a new log-in.
   * @param {string} method
   * @param {string} url
   * @param {RequestOptions} options
   * @returns {Promise<XMLHttpRequest>}
   */
  request(method, url, options = {}) {
    const { headers = {}, body = null, onProgress, isToBucket = false } = options;
    const own = isToBucket
      ? {}
      : {
          "Tus-Resumable": "1.0.0",
          "X-Requested-With": "XMLHttpRequest",
          "X-CSRFToken": this.session.csrfToken(),
        };
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.running = request;
      request.open(method, url);
      for (const [name, value] of Object.entries({ ...own, ...headers })) {
        request.setRequestHeader(name, value);
      }
      if (onProgress)
        request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
      request.addEventListener("load", () => {
        if (request.status !== 401 || isToBucket) resolve(request);
        else resolve(this.session.logInAgain().then(() => this.request(method, url, options)));
      });
      for (const name of ["error", "abort", "timeout"]) {
        request.addEventListener(name, () => reject(new Error(name)));
      }
      request.send(body);
    });
  }

  /**
   * Begin the upload of a file, or continue an earlier one of the same file.
   * @param {File} file
   * @param {string} url of all transfers
   * @returns {Promise<Transfer>}
   */
  async begin(file, url) {
    const metadata = {
      filename: file.name,
      fingerprint: `${file.name}/${file.size}/${file.lastModified}`,
      ...(crypto.subtle ? { checksum: "sha256" } : {}),
    };
    const encoded = Object.entries(metadata).map(
      ([key, value]) => `${key} ${base64(new TextEncoder().encode(value))}`,
    );
    const headers = { "Upload-Length": `${file.size}`, "Upload-Metadata": encoded.join(",") };
    const request = checkStatus(await this.request("POST", url, { headers }));
    return {
      url: request.getResponseHeader("Location") ?? "",
      partSize: Number(request.getResponseHeader("Upload-Part-Size")),
    };
  }

  /**
   * The bytes that the server has.
   * @param {Transfer} transfer
   */
  async offset({ url }) {
    const request = checkStatus(await this.request("HEAD", url));
    return Number(request.getResponseHeader("Upload-Offset"));
  }

  /**
   * Send the piece at `offset`.
   * @param {File} file
   * @param {Transfer} transfer
   * @param {number} offset bytes
   * @param {OnProgress} onProgress
   * @returns {Promise<number>} the new offset
   */
  async sendPiece(file, { url }, offset, onProgress) {
    const piece = file.slice(offset, offset + PIECE);
    const checksum = await sha256(piece);
    const headers = {
      "Content-Type": "application/offset+octet-stream",
      "Upload-Offset": `${offset}`,
      .../** @type {Record<string, string>} */ (
        checksum ? { "Upload-Checksum": `sha256 ${checksum}` } : {}
      ),
    };
    const request = checkStatus(
      await this.request("PATCH", url, {
        headers,
        body: piece,
        onProgress: (bytes) => onProgress(offset + Math.min(bytes, PIECE)),
      }),
    );
    return Number(request.getResponseHeader("Upload-Offset"));
  }

  /**
   * Send the parts that the bucket lacks, each to the address that the server signs for it.
   * @param {File} file
   * @param {Transfer} transfer
   * @param {OnProgress} onProgress
   */
  async sendParts(file, { url, partSize }, onProgress) {
    const state = checkStatus(await this.request("GET", url));
    const { done, is_finished } = JSON.parse(state.responseText);
    if (is_finished) return;
    let sent = done.length * partSize;
    for (let part = 1; part <= Math.ceil(file.size / partSize); part++) {
      if (done.includes(part)) continue;
      const piece = file.slice((part - 1) * partSize, part * partSize);
      const body = new URLSearchParams({ part: `${part}`, sha256: await sha256(piece) });
      const signed = checkStatus(await this.request("POST", url, { body }));
      const before = sent;
      const target = JSON.parse(signed.responseText);
      const put = await this.request("PUT", target.url, {
        headers: target.headers,
        body: piece,
        isToBucket: true,
        onProgress: (bytes) => onProgress(Math.min(before + bytes, file.size)),
      });
      if (put.status >= 300)
        throw new TemporaryError(
          fill(gettext("The bucket answered %(status)s."), { status: put.status }),
        );
      sent += piece.size;
    }
    checkStatus(await this.request("POST", url));
  }
}
