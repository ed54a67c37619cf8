// Scenes for tests.

import { Scene } from "../../static/player/scene.js";

/** @import { Box } from "../../static/player/geometry.js" */
/** @import { PersonAnswers, SceneData } from "../../static/player/scene.js" */

/** @param {Partial<PersonAnswers>} about */
export const makePerson = (about = {}) => ({
  box: /** @type {Box} */ ([10, 10, 30, 50]),
  status: "agreed",
  drawn: {},
  labels: {},
  ...about,
});

/** @param {Partial<SceneData>} about */
export const makeScene = (about = {}) =>
  new Scene({
    frame_rate: 30,
    frame_count: 150,
    width: 320,
    height: 192,
    keyframes: [2, 3],
    cuts: [],
    groups: ["posture"],
    persons: [],
    classes: {},
    answers: {},
    ...about,
  });
