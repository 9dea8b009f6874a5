// What is done to a whole piece at once: fill, smooth, delete, relabel.
//
// Touches neither the document nor the page's state. Each works at a voxel and returns the text
// that says why nothing was done, or "". A `plane` keeps to its slice, null works in 3D; pieces are
// deleted and relabelled whole.

import { putByRule } from "./brush.js";
import { boxOf, pieceAt, touches } from "./pieces.js";
import { PLANES } from "../volume.js";

const BELONGS = { liver: [0, 1, 1, 0], tumour: [0, 0, 1, 0] }; // a tumour is liver, too
const LIVER = [0, 1, 0, 0];

// Fills the hole around a voxel: what is not of the class and enclosed by it.
export function fill(edit, start, of, rule, plane) {
  const outside = BELONGS[of].map((belongs) => 1 - belongs);
  const { voxels, atEdge } = pieceAt(edit, start, outside, plane);
  if (!voxels.length) return `This is ${of} already: point at a hole in it.`;
  if (atEdge) return `This hole is open: no ${of} encloses it here.`;
  for (const index of voxels) putByRule(edit, index, rule);
  const { changes } = edit.open;
  return changes.length ? "" : "No voxel of this hole may change: see inside liver only and HU.";
}

// Takes a piece away: a tumour that touches liver becomes liver, everything else background.
export function deletePiece(edit, start) {
  const belongs = edit.classOf(start) === 2 ? BELONGS.tumour : BELONGS.liver;
  const { voxels } = pieceAt(edit, start, belongs, null);
  if (!voxels.length) return "There is no piece here: point at liver or tumour.";
  const value = edit.classOf(start) === 2 && touches(edit, voxels, LIVER) ? 1 : 0;
  for (const index of voxels) edit.put(index, value);
  return "";
}

// Makes a tumour liver, or a piece of liver tumour.
export function relabelPiece(edit, start) {
  const value = edit.classOf(start);
  if (value === 0) return "There is no piece here: point at liver or tumour.";
  const { voxels } = pieceAt(edit, start, [0, 1, 2, 3].map((c) => Number(c === value)), null);
  for (const index of voxels) edit.put(index, 3 - value);
  return "";
}

// Smooths a piece: each voxel goes with most of the 3×3×3 (in a plane 3×3) around it; beyond the
// volume, its outermost voxels are repeated. `rules` paint and erase the class.
export function smoothPiece(edit, start, of, rules, plane) {
  const { voxels } = pieceAt(edit, start, BELONGS[of], plane);
  if (!voxels.length) return `There is no ${of} here: point at the piece to smooth.`;
  const { shape, stride } = edit.volume;
  const axes = plane ? [PLANES[plane].across, PLANES[plane].up] : [0, 1, 2];
  const box = makeBox(shape, stride, boxOf(edit.volume, voxels), axes);
  const inside = new Uint8Array(box.size[0] * box.size[1] * box.size[2]);
  for (const index of voxels) inside[box.indexOf(index)] = 1;
  const sums = axes.reduce((values, axis) => summed(values, box, axis), inside);
  const most = 3 ** axes.length / 2;
  for (let z = 0, i = 0; z < box.size[2]; z++) {
    for (let y = 0; y < box.size[1]; y++) {
      const row = box.start + y * stride[1] + z * stride[2];
      for (let x = 0; x < box.size[0]; x++, i++) {
        if (sums[i] > most === inside[i] > 0) continue;
        putByRule(edit, row + x, rules[inside[i]]);
      }
    }
  }
  return "";
}

// A box of the volume, one voxel larger along `axes`, as an array of its own.
function makeBox(shape, stride, tight, axes) {
  const low = tight.map(([first], axis) => Math.max(0, first - axes.includes(axis)));
  const size = tight.map(([, last], axis) =>
    Math.min(shape[axis], last + 1 + axes.includes(axis)) - low[axis]);
  const own = [1, size[0], size[0] * size[1]];
  const indexOf = (index) =>
    low.reduce((sum, first, axis) =>
      sum + ((Math.floor(index / stride[axis]) % shape[axis]) - first) * own[axis], 0);
  const start = low.reduce((sum, first, axis) => sum + first * stride[axis], 0);
  return { size, stride: own, indexOf, start };
}

// Each value with its two neighbours along an axis.
function summed(values, { size, stride }, axis) {
  const sums = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const at = Math.floor(i / stride[axis]) % size[axis];
    const before = at > 0 ? i - stride[axis] : i;
    sums[i] = values[before] + values[i] + values[at < size[axis] - 1 ? i + stride[axis] : i];
  }
  return sums;
}
