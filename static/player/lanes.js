// Lanes of the timeline: SVG drawings one unit wide per frame, and strips of answer segments.

import { element } from "../js/elements.js";
import { fill, gettext } from "../js/translation.js";

/** @import { Segment } from "./answers.js" */
/** @import { Scene } from "./scene.js" */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An empty drawing, stretched over the width of its lane.
 * @param {number} frameCount its width
 * @param {number} height CSS pixels
 * @param {string} label
 */
export const drawing = (frameCount, height, label) => {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${frameCount} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  return svg;
};

/**
 * Add a bar of the full height to a drawing.
 * @param {SVGSVGElement} svg
 * @param {string} className
 * @param {number} frame where it starts
 * @param {number} length frames
 */
export const addBar = (svg, className, frame, length) => {
  const bar = document.createElementNS(SVG, "rect");
  bar.setAttribute("class", className);
  bar.setAttribute("x", `${frame}`);
  bar.setAttribute("y", "0");
  bar.setAttribute("width", `${length}`);
  bar.setAttribute("height", `${svg.viewBox.baseVal.height}`);
  svg.append(bar);
};

/**
 * A strip with a box for each segment of equal answers.
 * @param {Scene} scene
 * @param {Segment[]} segments
 */
export const segmentStrip = (scene, segments) => {
  const strip = element("div", "strip");
  /** @param {number} frames */
  const percent = (frames) => `${(100 * frames) / scene.frameCount}%`;
  /** @param {number} frame */
  const seconds = (frame) => (frame / scene.frameRate).toFixed(1);
  for (const { text, isDisputed, start, stop } of segments) {
    const isOpen = isDisputed || text === "?";
    const part = element("span", isOpen ? "stretch differs" : "stretch", text);
    part.title = fill(gettext("%(answer)s, %(start)s to %(stop)s s"), {
      answer: text,
      start: seconds(start),
      stop: seconds(stop),
    });
    part.style.left = percent(start);
    part.style.width = percent(stop - start);
    strip.append(part);
  }
  return strip;
};
