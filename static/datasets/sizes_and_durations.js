// Sizes and durations as text, and how much of an amount is done. No DOM.

import { fill, gettext } from "../js/translation.js";

/**
 * In units of 1024, like the sizes of the server.
 * @param {number} bytes
 */
export const formatSize = (bytes) => {
  if (bytes >= 2 ** 30) return `${(bytes / 2 ** 30).toFixed(2)} GB`;
  if (bytes >= 2 ** 20) return `${(bytes / 2 ** 20).toFixed(1)} MB`;
  return `${(bytes / 2 ** 10).toFixed(1)} KB`;
};

/** @param {number} seconds */
export const formatDuration = (seconds) => {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
};

/**
 * "12.0 MB of 40.0 MB · 4.0 MB/s · 7 s left"
 * @param {object} about
 * @param {number} about.sent bytes that the server has
 * @param {number} about.total bytes
 * @param {number} about.since bytes that it had when the measurement of the speed began
 * @param {number} about.seconds since then
 */
export const progressText = ({ sent, total, since, seconds }) => {
  const rate = (sent - since) / Math.max(seconds, 0.1);
  const amounts = { sent: formatSize(sent), total: formatSize(total) };
  if (rate <= 0) return fill(gettext("%(sent)s of %(total)s"), amounts);
  return fill(gettext("%(sent)s of %(total)s · %(rate)s/s · %(time)s left"), {
    ...amounts,
    rate: formatSize(rate),
    time: formatDuration((total - sent) / rate),
  });
};
