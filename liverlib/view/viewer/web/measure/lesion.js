// One lesion after another: which voxels it has, how large it is, where it lies.
//
// Touches neither the document nor the page's state.

import { longestDistance } from "./diameter.js";

// The voxels of each lesion in a box ((first, end) of each axis), connected by faces, the largest
// first; those of equal size by their first voxel, x slowest, as NumPy counts.
export function findLesions({ shape, stride, pairs }, shift, box) {
  const size = box.map(([low, high]) => Math.max(0, high - low));
  const own = [1, size[0], size[0] * size[1]];
  const free = new Uint8Array(size[0] * size[1] * size[2]);
  const first = box.reduce((sum, [low], axis) => sum + low * stride[axis], 0);
  for (let z = 0, i = 0; z < size[2]; z++) {
    for (let y = 0; y < size[1]; y++) {
      const row = first + y * stride[1] + z * stride[2];
      for (let x = 0; x < size[0]; x++) free[i++] = ((pairs[row + x] >> shift) & 3) === 2;
    }
  }
  const lesions = [];
  for (let i = free.indexOf(1); i >= 0; i = free.indexOf(1, i)) lesions.push(piece(i));
  return lesions.sort((a, b) => b.voxels.length - a.voxels.length || a.key - b.key)
    .map(({ voxels }) => voxels);

  // Takes a piece out of `free`: its voxels as indices of the volume.
  function piece(start) {
    const found = [start];
    free[start] = 0;
    let key = Infinity;
    for (let n = 0; n < found.length; n++) {
      const i = found[n];
      const at = [i % size[0], Math.floor(i / own[1]) % size[1], Math.floor(i / own[2])];
      key = Math.min(key, (at[0] * shape[1] + at[1]) * shape[2] + at[2]);
      for (let axis = 0; axis < 3; axis++) {
        if (at[axis] > 0) take(i - own[axis]);
        if (at[axis] < size[axis] - 1) take(i + own[axis]);
      }
      found[n] = first + at[0] + at[1] * stride[1] + at[2] * stride[2];
    }
    return { voxels: found, key };

    function take(next) {
      if (!free[next]) return;
      free[next] = 0;
      found.push(next);
    }
  }
}

// The row of a lesion. `ml` of a voxel is null where millimetres are unknown.
export function measured(volume, voxels, { affine, levels }, ml, search) {
  const points = toWorld(affine, volume, voxels);
  const mean = [0, 1, 2].map((k) => {
    let sum = 0;
    for (let i = k; i < points.length; i += 3) sum += points[i];
    return sum / voxels.length;
  });
  const hu = voxels.reduce((sum, index) => sum + levels[volume.levels[index]], 0) / voxels.length;
  const row = { at: nearestTo(mean, points, voxels), voxels: voxels.length, ml: null, mean_hu: hu };
  if (ml === null) return { ...row, longest_axial_mm: null, longest_mm: null, to_surface_mm: null };
  const ends = endsOf(volume, voxels);
  return {
    ...row,
    ml: voxels.length * ml,
    centroid: mean,
    longest_axial_mm: longestAxial(volume, ends, affine),
    longest_mm: longestDistance(toWorld(affine, volume, ends)),
    to_surface_mm: search(voxels),
  };
}

// Indices as positions in mm, flat (x, y, z, x, …).
export function toWorld(affine, { shape, stride }, indices) {
  const points = new Float64Array(3 * indices.length);
  indices.forEach((index, n) => {
    const x = index % shape[0];
    const y = Math.floor(index / stride[1]) % shape[1];
    const z = Math.floor(index / stride[2]);
    affine.forEach((row, k) => (points[3 * n + k] = row[0] * x + row[1] * y + row[2] * z + row[3]));
  });
  return points;
}

function nearestTo(mean, points, voxels) {
  let [best, nearest] = [voxels[0], Infinity];
  for (let n = 0; n < voxels.length; n++) {
    const distance = Math.hypot(...mean.map((value, k) => points[3 * n + k] - value));
    if (distance < nearest) [best, nearest] = [voxels[n], distance];
  }
  return best;
}

// Of each row along x, the first and the last voxel: no others can be furthest apart.
function endsOf({ shape }, voxels) {
  const rows = new Map();
  for (const index of voxels) {
    const row = Math.floor(index / shape[0]);
    const ends = rows.get(row);
    if (!ends) rows.set(row, [index, index]);
    else if (index < ends[0]) ends[0] = index;
    else if (index > ends[1]) ends[1] = index;
  }
  return [...rows.values()].flatMap(([low, high]) => (low === high ? [low] : [low, high]));
}

function longestAxial(volume, ends, affine) {
  const slices = new Map();
  for (const index of ends) {
    const z = Math.floor(index / volume.stride[2]);
    if (slices.has(z)) slices.get(z).push(index);
    else slices.set(z, [index]);
  }
  const lengths = [...slices.values()].map((held) => longestDistance(toWorld(affine, volume, held)));
  return Math.max(...lengths);
}
