// Types of the data of the label page, as the view `qc:label` sends it. No DOM.

/** @import { Box } from "../../player/geometry.js" */
/** @import { Group } from "./answers.js" */
/** @import { StateData } from "./fold.js" */
/** @import { Remark } from "./remarks.js" */

/**
 * @typedef {object} Task
 * @property {number} pk
 * @property {string} name "<clip>--<annotator>"
 * @property {boolean} is_blind
 * @property {number} revision from 1
 * @property {"open" | "sent back" | "submitted" | "missing" | "unassigned"} state
 * @property {boolean} may_edit
 * @property {boolean} is_simulated
 * @property {string} revises whose answers are revised; ""
 * @property {string} problem sentence; ""
 */

/**
 * @typedef {object} Clip
 * @property {string} name
 * @property {string} video URL
 * @property {string} poster URL
 * @property {number} width pixels of the video
 * @property {number} height pixels of the video
 * @property {number} frame_rate frames per second
 * @property {number} frame_count
 * @property {number} step frames between two annotation frames, at which boxes are set
 * @property {number[]} keyframes seconds
 */

/**
 * @typedef {object} TaskPageData
 * @property {Task} task
 * @property {Clip} clip
 * @property {Group[]} groups
 * @property {string[]} labels classes that are followed
 * @property {StateData | null} start what the draft begins with; null: nobody has begun
 * @property {Record<string, Box[]>} detections by frame: boxes of the tracker that no person has
 * @property {Remark[]} remarks
 * @property {{ seconds_per_keyframe: number }} pace
 * @property {{ task: string, page: string } | null} next
 * @property {Record<string, string>} urls
 */

export {};
