// Changes of classes, and the way back: 200 steps that are undone and done again.
//
// Touches neither the document nor the page's state. `shift` says which classes of the volume's
// pairs are changed: 0 the label's, 2 the mask's. A step keeps runs of voxels, x fastest.

const STEPS = 200;

export class Edit {
  constructor(volume, shift) {
    Object.assign(this, { volume, shift, steps: [], done: 0, open: null, dropped: null });
  }

  classOf(index) {
    return (this.volume.pairs[index] >> this.shift) & 3;
  }

  // What the classes are now, to be compared: the last step that is done.
  get version() {
    return this.steps[this.done - 1] ?? this.dropped;
  }

  // Begins a step; what is put from now on is undone at once. `note` is kept with it.
  begin(note = {}) {
    this.end();
    this.open = { changes: [], note };
  }

  // Gives a voxel a class. In one step, a voxel may change once.
  put(index, value) {
    const before = this.classOf(index);
    if (before === value) return;
    this.open.changes.push(index * 16 + before * 4 + value);
    this.write(index, 1, value);
  }

  // Ends the step, if it changed anything: what was undone before is gone then.
  end() {
    const { changes, note } = this.open ?? { changes: [] };
    this.open = null;
    if (!changes.length) return false;
    this.steps.length = this.done;
    this.steps.push({ runs: runsOf(changes), note });
    if (this.steps.length > STEPS) this.dropped = this.steps.shift();
    this.done = this.steps.length;
    return true;
  }

  undo() {
    this.end();
    if (this.done === 0) return false;
    this.replay(this.steps[--this.done], 0);
    return true;
  }

  redo() {
    this.end();
    if (this.done === this.steps.length) return false;
    this.replay(this.steps[this.done++], 1);
    return true;
  }

  // Writes the classes before (0) or after (1) a step.
  replay({ runs }, side) {
    for (let r = 0; r < runs.length; r += 3) {
      const code = runs[r + 2];
      this.write(runs[r], runs[r + 1], side ? code & 3 : code >> 2);
    }
  }

  // Writes a class into a run of voxels, and keeps the counts of the slices.
  write(start, length, value) {
    const { shape, pairs, counts } = this.volume;
    const [keep, bits] = [15 ^ (3 << this.shift), value << this.shift];
    let x = start % shape[0];
    const line = (start - x) / shape[0];
    let y = line % shape[1];
    let z = (line - y) / shape[1];
    for (let i = start; i < start + length; i++) {
      const before = pairs[i];
      const after = (pairs[i] = (before & keep) | bits);
      if (before) count(counts, x, y, z, before, -1);
      if (after) count(counts, x, y, z, after, 1);
      if (++x < shape[0]) continue;
      x = 0;
      if (++y < shape[1]) continue;
      y = 0;
      z++;
    }
  }
}

function count(counts, x, y, z, pair, by) {
  counts[0][x * 16 + pair] += by;
  counts[1][y * 16 + pair] += by;
  counts[2][z * 16 + pair] += by;
}

// Start, length and code (before * 4 + after) of each run, in the order of the voxels.
function runsOf(changes) {
  const sorted = Float64Array.from(changes).sort();
  const runs = [];
  for (let i = 0; i < sorted.length; ) {
    const first = sorted[i];
    let length = 1;
    while (sorted[i + length] === first + 16 * length) length++;
    runs.push(Math.floor(first / 16), length, first % 16);
    i += length;
  }
  return Uint32Array.from(runs);
}
