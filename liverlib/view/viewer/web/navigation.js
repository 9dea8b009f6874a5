// From slice to slice and from tumour to tumour.

import { change, moveTo, state, volume } from "./state.js";
import { PLANES } from "./volume.js";

const TUMOUR = 2;
const STEP_MS = 80; // between slices while playing

export function goTo(slice, plane = state.active) {
  const axis = PLANES[plane].through;
  const at = state.at.slice();
  at[axis] = Math.min(volume.shape[axis] - 1, Math.max(0, slice));
  moveTo(at);
}

export function step(by) {
  goTo(state.at[PLANES[state.active].through] + by);
}

// Moves the crosshair within the active plane by so many pixels to the right and down.
export function shift(right, down) {
  const { across, up } = PLANES[state.active];
  const at = state.at.slice();
  const mirrored = state.radiological || state.active === "sagittal";
  at[across] += mirrored ? -right : right;
  at[up] -= down;
  moveTo(at.map((i, axis) => Math.min(volume.shape[axis] - 1, Math.max(0, i))));
}

// Whether a pair is tumour in what is shown.
function isTumour(pair) {
  const [reference, predicted] = [(pair & 3) === TUMOUR, pair >> 2 === TUMOUR];
  return { label: reference, mask: predicted }[state.show] ?? (reference || predicted);
}

// Voxels of tumour in each slice of the active plane.
function tumourCounts() {
  const axis = PLANES[state.active].through;
  const pairs = [...Array(16).keys()].filter(isTumour);
  return Array.from({ length: volume.shape[axis] }, (_, slice) =>
    pairs.reduce((sum, pair) => sum + volume.counts[axis][slice * 16 + pair], 0),
  );
}

export function hasTumour() {
  return tumourCounts().some((count) => count > 0);
}

// To the next slice with tumour (direction 1) or the one before (-1).
export function toTumour(direction) {
  const counts = tumourCounts();
  let slice = state.at[PLANES[state.active].through] + direction;
  while (counts[slice] === 0) slice += direction;
  if (slice in counts) goTo(slice);
}

// To the slice with most tumour, the crosshair on the tumour voxel nearest to its centre there.
export function toLargest() {
  const counts = tumourCounts();
  const most = Math.max(...counts);
  if (most === 0) return;
  const { across, up, through } = PLANES[state.active];
  const at = state.at.slice();
  at[through] = counts.indexOf(most);
  const inside = tumourInSlice(at);
  const mean = [0, 1].map((k) => inside.reduce((sum, p) => sum + p[k], 0) / inside.length);
  const distance = (p) => (p[0] - mean[0]) ** 2 + (p[1] - mean[1]) ** 2;
  [at[across], at[up]] = inside.reduce((best, p) => (distance(p) < distance(best) ? p : best));
  moveTo(at);
}

// The tumour's voxels in the active plane's slice at `at`, as [across, up].
function tumourInSlice(at) {
  const { across, up, through } = PLANES[state.active];
  const { shape, stride, pairs } = volume;
  const inside = [];
  for (let u = 0; u < shape[up]; u++) {
    for (let a = 0; a < shape[across]; a++) {
      const i = at[through] * stride[through] + u * stride[up] + a * stride[across];
      if (isTumour(pairs[i])) inside.push([a, u]);
    }
  }
  return inside;
}

let lastStep = 0;

function play(now) {
  if (!state.playing) return;
  if (now - lastStep >= STEP_MS) {
    lastStep = now;
    const axis = PLANES[state.active].through;
    goTo((state.at[axis] + 1) % volume.shape[axis]);
  }
  requestAnimationFrame(play);
}

export function togglePlay() {
  change({ playing: !state.playing });
  if (state.playing) requestAnimationFrame(play);
}
