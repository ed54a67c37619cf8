// Snapping a drawn box to a detection that it covers. No DOM.

import { iou } from "../../player/geometry.js";

/** @import { Box } from "../../player/geometry.js" */

const MIN_IOU = 0.6;

/**
 * The detection that a drawn box stands for: the one with the best IoU of at least 0.6.
 * @param {Box[]} detections
 * @param {Box} drawn
 * @returns {Box | null}
 */
export const nearestDetection = (detections, drawn) => {
  const [best] = detections
    .map((box) => ({ box, overlap: iou(box, drawn) }))
    .sort((a, b) => b.overlap - a.overlap);
  return best && best.overlap >= MIN_IOU ? best.box : null;
};
