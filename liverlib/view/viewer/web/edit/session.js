// The correcting of this page's mask: begins it, and tells who listens what has changed.

import { byId } from "../dom.js";
import { Edit } from "./edit.js";
import { copyPart, emptyPart, inflate, tightened } from "./mask-file.js";
import { scanVoxel } from "../readout.js";
import { change, facts, state, volume } from "../state.js";
import { fromBase64, makeVolume } from "../volume.js";

const SAME = [...Array(16).keys()];

// `given`: the classes that came with the page; `saved`: the edit's version that was
// saved or sent last.
export const session = { edit: null, given: null, saved: null };
const followers = []; // called after each step, and after each undo and redo

export function onEdited(follow) {
  followers.push(follow);
}

// Brings the page's volume to the scan's own grid, once. `true` where its size has changed.
export async function openClasses() {
  const { scan } = facts;
  const packed = fromBase64(byId("classes").textContent);
  byId("classes").remove();
  const box = { first: scan.box.map(([a]) => a), size: scan.box.map(([a, b]) => b - a) };
  box.values = packed.length ? await inflate(packed) : new Uint8Array(0);
  session.given = box;
  const resized = facts.factor.some((factor) => factor > 1);
  const { levels, second } = resized ? onScanGrid() : volume;
  const { values } = copyPart(box, emptyPart(facts.origin, facts.shape), SAME);
  Object.assign(volume, makeVolume(facts.shape, levels, values), { second });
  session.edit = new Edit(volume, scan.edits === "mask" ? 2 : 0);
  return resized;
}

// The levels (and the second scan's) with each voxel of the page repeated; facts and crosshair follow.
function onScanGrid() {
  const { scan, factor } = facts;
  const [nx, ny, nz] = scan.shape;
  const columns = Uint32Array.from({ length: nx }, (_, x) => within(x, 0));
  const [levels, second] = [volume.levels, volume.second].map((held) => held && repeated(held));
  const { shape, spacing, affine } = scan;
  state.at = scanVoxel();
  state.measure = null; // its points are voxels of the page as it was
  Object.assign(facts, { shape, spacing, affine, origin: [0, 0, 0], factor: [1, 1, 1] });
  return { levels, second };

  function repeated(held) {
    const made = new Uint8Array(nx * ny * nz);
    for (let z = 0, i = 0; z < nz; z++) {
      for (let y = 0; y < ny; y++) {
        const row = within(y, 1) * volume.stride[1] + within(z, 2) * volume.stride[2];
        for (let x = 0; x < nx; x++) made[i++] = held[row + columns[x]];
      }
    }
    return made;
  }

  function within(i, axis) {
    return Math.min(volume.shape[axis] - 1, Math.floor(i / factor[axis]));
  }
}

// The corrected classes of the whole scan, or of the smallest box that holds all.
export function maskPart(whole) {
  const { edit, given } = session;
  const classes = SAME.map((pair) => (pair >> edit.shift) & 3);
  const page = { first: facts.origin, size: volume.shape, values: volume.pairs };
  if (whole) return withPage(emptyPart([0, 0, 0], facts.scan.shape));
  const low = page.first.map((first, axis) =>
    given.values.length ? Math.min(first, given.first[axis]) : first);
  const high = page.first.map((first, axis) =>
    Math.max(first + page.size[axis], given.first[axis] + given.size[axis]));
  return tightened(withPage(emptyPart(low, high.map((end, axis) => end - low[axis]))));

  function withPage(part) {
    return copyPart(page, copyPart(given, part, classes), classes);
  }
}

// Puts the mask that a part holds in place of the page's, without a way back.
export function replaceMask(part) {
  const { edit } = session;
  const own = copyPart(part, emptyPart(facts.origin, volume.shape), SAME).values;
  const keep = 15 ^ (3 << edit.shift);
  const pairs = volume.pairs.map((pair, i) => (pair & keep) | (own[i] << edit.shift));
  Object.assign(volume, makeVolume(volume.shape, volume.levels, pairs));
  session.edit = new Edit(volume, edit.shift);
  session.saved = null;
  told("");
}

export function isUnsaved() {
  return session.edit !== null && session.edit.version !== session.saved;
}

// One step: `act` changes voxels, and may return the text that says why it did not. Returns whether
// the step was stored.
export function takeStep(act, note) {
  session.edit.begin(note);
  const text = act(session.edit) ?? "";
  return endStep(text);
}

export function endStep(text = "") {
  const stored = session.edit.end();
  told(text);
  return stored;
}

export function undo() {
  told(session.edit.undo() ? "" : "Nothing to undo.");
}

export function redo() {
  told(session.edit.redo() ? "" : "Nothing to do again.");
}

function told(text) {
  change({ editNote: text });
  for (const follow of followers) follow();
}
