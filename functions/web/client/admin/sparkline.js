/** A small line of how a figure went. It says nothing to screen readers: the change beside it does, in words. */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 32;
const MARGIN = 2;

/**
 * The points of a line through values at even distances, the lowest at the bottom and the highest at the top; level, in
 * the middle, when they are all the same or there is but one.
 *
 * @param {number[]} values at least one
 * @param {number} width
 * @param {number} height
 * @returns {[number, number][]} from the top left corner
 */
export function points(values, width, height) {
  if (values.length === 1) return points([values[0], values[0]], width, height);
  const low = Math.min(...values);
  const span = Math.max(...values) - low;
  return values.map((value, at) => [
    (at / (values.length - 1)) * width,
    span === 0 ? height / 2 : height - ((value - low) / span) * height,
  ]);
}

/**
 * @param {number[]} values in the order of time, at least one
 * @returns {SVGElement}
 */
export function sparkline(values) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "sparkline");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "polyline");
  const shifted = points(values, WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN).map(([x, y]) => [x + MARGIN, y + MARGIN]);
  line.setAttribute("points", shifted.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "));
  line.setAttribute("vector-effect", "non-scaling-stroke");
  svg.append(line);
  return svg;
}
