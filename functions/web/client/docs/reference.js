// The reference as a whole: groups in the order in which they are shown, and which of their entries a search finds.
import { aboutFrames, frameGroups } from "./frames.js";
import { aboutHttp, httpGroups, securityGroup, sharedAnswers } from "./http.js";
import { schemaEntry, schemasOf } from "./schema.js";
import { group } from "./tree.js";

/**
 * @typedef {{id: string, title: string, tree: import("./tree.js").Element}} Group
 * @param {object} openapi
 * @param {object} asyncapi
 * @param {string} origin where the API is, for the examples
 * @returns {{http: {about: object, groups: Group[]}, frames: {about: object, groups: Group[]}, schemas: {groups: Group[]}}}
 */
export function reference(openapi, asyncapi, origin) {
  return {
    http: { about: aboutHttp(openapi), groups: [...httpGroups(openapi, origin), sharedAnswers(openapi)] },
    frames: { about: aboutFrames(asyncapi), groups: frameGroups(asyncapi) },
    schemas: { groups: [schemaGroup([openapi, asyncapi]), securityGroup([openapi, asyncapi])] },
  };
}

function schemaGroup(documents) {
  return group("schemas", "What has a name, of both documents.", schemasOf(documents).map(schemaEntry));
}

/** Whether all words of a search are among those of an entry. */
export function matches(words, search) {
  return search.toLowerCase().split(/\s+/).every((word) => words.includes(word));
}
