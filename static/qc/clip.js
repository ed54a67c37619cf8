// Pages of one clip, and of one task: player, timeline, boxes of annotators, and the consensus at the keyframe shown.

import { element, part } from "../js/elements.js";
import { fill, gettext } from "../js/translation.js";
import { Comparison } from "../player/comparison.js";
import { wireControls } from "../player/controls.js";
import { bindKeys } from "../player/keys.js";
import { Player } from "../player/player.js";
import { playerKeys } from "../player/player_keys.js";
import { fetchScene } from "../player/scene.js";
import { Timeline } from "../player/timeline.js";
import { followPlaces, verdictKeys } from "./verdict_keys.js";

/**
 * Show the consensus of the keyframe on the screen, and mark the persons that are in the frame.
 * @param {Player} player
 */
const followConsensus = (player) => {
  const keyframes = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-second]")]);
  const rows = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".who-row")]);
  const heading = document.getElementById("consensus-at");
  const none = document.getElementById("consensus-none");
  player.addEventListener("notify", () => {
    const second = player.scene.keyframeOf(player.frame);
    for (const one of keyframes) one.hidden = Number(one.dataset.second) !== second;
    if (none) none.hidden = keyframes.some((one) => !one.hidden);
    if (heading && keyframes.length) {
      heading.textContent =
        second === null
          ? gettext("not a keyframe")
          : fill(gettext("keyframe at second %(second)s"), { second });
    }
    for (const row of rows) {
      row.classList.toggle("here", Boolean(player.boxOf(Number(row.dataset.person))));
    }
  });
};

/**
 * Add a checkbox for the boxes of each annotator; keys 1 to 9 tick it, too.
 * @param {Element} place
 * @param {Player} player
 */
const addAnnotatorLayers = (place, player) => {
  const { annotators } = player.scene;
  for (const [index, annotator] of annotators.entries()) {
    const label = element("label", "choice");
    const box = element("input");
    box.type = "checkbox";
    box.dataset.layer = `${index + 1}`;
    box.addEventListener("change", () => {
      if (box.checked) player.display.annotators.add(annotator);
      else player.display.annotators.delete(annotator);
      player.paint();
    });
    label.append(box, annotator);
    place.append(label);
  }
  place.toggleAttribute("hidden", !annotators.length);
};

/**
 * Show another tracking run of the clip on a second screen.
 * @param {HTMLElement} root
 * @param {Player} player
 * @param {Timeline} timeline
 */
const addComparison = async (root, player, timeline) => {
  const screen = root.querySelector("[data-compared-scene]");
  if (!(screen instanceof HTMLElement)) return;
  const scene = await fetchScene(screen.dataset.comparedScene ?? "");
  const comparison = new Comparison(screen, scene);
  player.comparison = comparison;
  player.addEventListener("paint", () => {
    root.dataset.comparedBoxes = `${comparison.boxCount}`;
  });
  timeline.drawComparison(scene);
  player.paint();
};

/** The frame that the address names, by `frame` or `second`. */
const frameOfAddress = () => {
  const query = new URLSearchParams(location.search);
  const frame = Number(query.get("frame") ?? Number(query.get("second")) * 30);
  return Number.isFinite(frame) ? frame : 0;
};

/** @param {HTMLElement} root */
const start = async (root) => {
  const player = new Player(/** @type {Element} */ (root.querySelector(".screen")));
  const lanes = /** @type {HTMLElement} */ (root.querySelector(".lanes"));
  const timeline = new Timeline(lanes, player);
  wireControls(root, player);
  followConsensus(player);
  /** @param {string} name */
  const tick = (name) => part(root, "set", name).click();
  /** @param {string} digit */
  const tickLayer = (digit) => {
    const box = root.querySelector(`[data-layer="${digit}"]`);
    if (box instanceof HTMLElement) box.click();
  };
  /** @param {(number: number) => void} action */
  const onSelected = (action) => {
    if (player.selected !== null) action(player.selected);
  };
  const verdicts = verdictKeys();
  const taken = new Set(verdicts.flatMap(({ keys }) => keys));
  bindKeys([
    ...verdicts,
    ...playerKeys(player).filter(({ keys }) => !keys.some((key) => taken.has(key))),
    {
      keys: ["ArrowUp"],
      label: "↑",
      description: gettext("previous person"),
      action: () => timeline.selectNext(-1),
    },
    {
      keys: ["ArrowDown"],
      label: "↓",
      description: gettext("next person"),
      action: () => timeline.selectNext(1),
    },
    {
      keys: ["t"],
      label: "T",
      description: gettext("show or hide the answers about the selected person"),
      action: () => onSelected((number) => timeline.toggle(number)),
    },
    {
      keys: ["h"],
      label: "H",
      description: gettext("show or hide the selected person"),
      action: () => onSelected((number) => timeline.toggleHidden(number)),
    },
    {
      keys: ["d"],
      label: "D",
      description: gettext("next disagreement; with Shift the previous one"),
      action: (event) => timeline.showDisagreement(event.shiftKey ? -1 : 1),
    },
    { keys: ["b"], label: "B", description: gettext("boxes"), action: () => tick("boxes") },
    { keys: ["n"], label: "N", description: gettext("labels"), action: () => tick("labels") },
    {
      keys: [..."123456789"],
      label: "1 – 9",
      description: gettext("boxes of each annotator"),
      action: (event) => tickLayer(event.code.slice(-1)), // of "Digit1" and "Numpad1"
    },
  ]);
  root.querySelector(".keys")?.removeAttribute("hidden");

  try {
    player.setScene(await fetchScene(root.dataset.scene ?? ""));
  } catch {
    part(root, "show", "frame").textContent += ` · ${gettext("boxes could not be loaded")}`;
    return;
  }
  timeline.draw();
  addAnnotatorLayers(part(root, "part", "layers"), player);
  if (root.dataset.layers) {
    for (const box of root.querySelectorAll("[data-layer]")) {
      /** @type {HTMLElement} */ (box).click();
    }
  }
  followPlaces(player);
  addComparison(root, player, timeline);
  if (root.dataset.selected) timeline.select(Number(root.dataset.selected));
  player.seek(frameOfAddress());
  root.dataset.ready = "true";
};

const root = document.getElementById("player");
if (root?.querySelector("video")) start(root);
