// The mask on the scan's own grid: out of the page's bytes, into a NIfTI file, to the kernel.
//
// Touches neither the document nor the page's state. A part is { first, size, values }: classes
// in a box of the scan, x fastest.

export async function inflate(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export async function deflate(parts) {
  const stream = new Blob(parts).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Copies what two parts have in common from one into the other; `convert` is a table of values.
export function copyPart(from, to, convert) {
  const low = from.first.map((first, axis) => Math.max(first, to.first[axis]));
  const high = from.first.map((first, axis) =>
    Math.min(first + from.size[axis], to.first[axis] + to.size[axis]));
  if (low.some((first, axis) => first >= high[axis])) return to;
  const start = (part, y, z) =>
    low[0] - part.first[0] +
    part.size[0] * (y - part.first[1] + part.size[1] * (z - part.first[2]));
  for (let z = low[2]; z < high[2]; z++) {
    for (let y = low[1]; y < high[1]; y++) {
      const [source, target] = [start(from, y, z), start(to, y, z)];
      for (let x = 0; x < high[0] - low[0]; x++) {
        to.values[target + x] = convert[from.values[source + x]];
      }
    }
  }
  return to;
}

export function emptyPart(first, size) {
  return { first, size, values: new Uint8Array(size[0] * size[1] * size[2]) };
}

// The smallest part around all that is not 0.
export function tightened(part) {
  const { first, size, values } = part;
  const low = size.slice();
  const high = [0, 0, 0];
  for (let z = 0, row = 0; z < size[2]; z++) {
    for (let y = 0; y < size[1]; y++, row += size[0]) {
      const line = values.subarray(row, row + size[0]);
      const x = line.findIndex(Boolean);
      if (x < 0) continue;
      [x, y, z].forEach((value, axis) => (low[axis] = Math.min(low[axis], value)));
      [line.findLastIndex(Boolean), y, z].forEach((value, axis) =>
        (high[axis] = Math.max(high[axis], value + 1)));
    }
  }
  const kept = high.map((end, axis) => Math.max(0, end - low[axis]));
  const start = low.map((value, axis) => (kept[0] ? first[axis] + value : first[axis]));
  return copyPart(part, emptyPart(start, kept), [0, 1, 2, 3]);
}

// The classes of the whole scan in the order of its file: `axes` are [axis of RAS, runs against].
export function toStored({ size, values }, axes) {
  const stride = [1, size[0], size[0] * size[1]];
  const steps = axes.map(([axis, flips]) => (flips ? -stride[axis] : stride[axis]));
  const [nx, ny, nz] = axes.map(([axis]) => size[axis]);
  const start = axes.reduce((sum, [axis, flips]) =>
    sum + (flips ? (size[axis] - 1) * stride[axis] : 0), 0);
  const stored = new Uint8Array(values.length);
  for (let z = 0, i = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0, from = start + z * steps[2] + y * steps[1]; x < nx; x++, from += steps[0]) {
        stored[i++] = values[from];
      }
    }
  }
  return stored;
}

export function toBase64(bytes) {
  let binary = "";
  for (let i = 0; i < bytes.length; i += 32768) {
    binary += String.fromCharCode(...bytes.subarray(i, i + 32768));
  }
  return btoa(binary);
}
