// The text around the pictures: what lies at the crosshair, what a slice holds, what colours mean.

import { KINDS } from "./paint.js";
import { averaged, comparesRows, facts, state, volume } from "./state.js";
import { countKinds } from "./strip.js";
import { PLANES, voxelIndex } from "./volume.js";

const CLASSES = ["background", "liver", "tumour"];

function hounsfield(level) {
  const [first, last] = [facts.levels[0], facts.levels[255]];
  const unit = averaged ? "HU of averages" : "HU";
  if (level === 0) return `≤ ${first} ${unit}`;
  if (level === 255) return `≥ ${last} ${unit}`;
  const [before, hu, after] = facts.levels.slice(level - 1, level + 2);
  return `${hu} ± ${Math.max(hu - before, after - hu) / 2} ${unit}`;
}

// In voxels of the scan, which has more of them where the page is averaged down or cropped: the
// middle of the block, or the lower one of two.
export function scanVoxel() {
  const { origin, factor, scan } = facts;
  return state.at.map((i, axis) => {
    const middle = origin[axis] + i * factor[axis] + Math.floor((factor[axis] - 1) / 2);
    return Math.min(scan.shape[axis] - 1, middle);
  });
}

function millimetres() {
  if (!facts.spacing_known) return "mm unknown";
  const at = [...state.at, 1];
  const mm = facts.affine.map((row) => row.reduce((sum, value, i) => sum + value * at[i], 0));
  return `${mm.map((value) => value.toFixed(1).replace("-0.0", "0.0")).join(", ")} mm`;
}

export function readOut() {
  const i = voxelIndex(volume, state.at);
  const parts = [`voxel ${scanVoxel().join(", ")}`, millimetres(), hounsfield(volume.levels[i])];
  if (volume.second) parts.push(`${facts.second}: ${hounsfield(volume.second[i])}`);
  if (facts.has.label) parts.push(`reference: ${CLASSES[volume.pairs[i] & 3]}`);
  if (facts.has.mask) parts.push(`prediction: ${CLASSES[volume.pairs[i] >> 2]}`);
  return parts.join(" · ");
}

export function describeSlice(plane, slice) {
  const counts = volume.pairs ? countKinds(plane, slice) : [];
  const content = counts.map((n, kind) => (n ? KINDS[kind] : "")).filter(Boolean).join(", ");
  return `slice ${slice + 1} of ${volume.shape[PLANES[plane].through]}${content && `: ${content}`}`;
}

// Kinds whose colours are painted.
export function legendKinds() {
  if (!volume.pairs || state.hidden) return [];
  if (state.show === "difference") return ["agreed", "missed", "extra"];
  return ["liver", "tumour"].filter((kind) => state[kind]);
}

// What the painted classes belong to.
export function legendNote() {
  if (comparesRows()) return ""; // the rows are named
  const both = `${state.contour ? "dotted" : "filled"}: reference, line: prediction`;
  return { label: "reference", mask: "prediction", both, difference: "" }[state.show];
}
