// The strip along a slider, which shows what each slice holds.

import { cssColour } from "./dom.js";
import { KINDS, differenceKind } from "./paint.js";
import { compares, facts, state, volume } from "./state.js";
import { PLANES } from "./volume.js";

export const BANDS = ["liver", "tumour", ...(compares ? ["missed", "extra"] : [])];

// Voxels of each kind in a slice: liver and tumour of the label (or else of the mask), missed and
// extra where there are both.
export function countKinds(plane, slice) {
  const kinds = new Array(KINDS.length).fill(0);
  const counts = volume.counts[PLANES[plane].through];
  for (let pair = 1; pair < 16; pair++) {
    const n = counts[slice * 16 + pair];
    kinds[facts.has.label ? pair & 3 : pair >> 2] += n;
    if (compares) kinds[differenceKind(state, pair)] += n;
  }
  kinds[0] = kinds[KINDS.indexOf("agreed")] = 0;
  return kinds;
}

export function drawStrip(view) {
  const n = view.strip.width;
  const context = view.strip.getContext("2d");
  context.clearRect(0, 0, n, BANDS.length);
  const kinds = Array.from({ length: n }, (_, slice) => countKinds(view.plane, slice));
  BANDS.forEach((name, band) => {
    const counts = kinds.map((slice) => slice[KINDS.indexOf(name)]);
    const most = Math.max(...counts);
    context.fillStyle = cssColour(facts.colours[name]);
    counts.forEach((count, slice) => {
      context.globalAlpha = 0.35 + (0.65 * count) / most; // the least is still seen
      if (count) context.fillRect(slice, band, 1, 1);
    });
  });
}
