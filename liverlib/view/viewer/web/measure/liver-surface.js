// The liver's surface, and how far a lesion is from it.
//
// Touches neither the document nor the page's state. The surface is made of the voxels that show a
// face to background; where the scan ends there is none.

import { toWorld } from "./lesion.js";
import { makeSearch } from "./nearest.js";

// A function from a lesion's voxels to its distance in mm; null where there is no surface.
export function surfaceSearch(volume, shift, box, affine) {
  const rim = rimVoxels(volume, shift, box);
  if (!rim.length) return () => null;
  const search = makeSearch(toWorld(affine, volume, rim));
  return (voxels) => {
    // From inside a lesion, one comes out of it on the way: its outermost voxels are enough.
    const inside = new Set(voxels);
    const steps = volume.stride.flatMap((step) => [-step, step]);
    const outer = voxels.filter((index) => steps.some((step) => !inside.has(index + step)));
    const points = toWorld(affine, volume, outer);
    let best = Infinity;
    for (let i = 0; i < points.length && best > 0; i += 3) {
      best = search(points[i], points[i + 1], points[i + 2], best);
    }
    return best;
  };
}

function rimVoxels({ shape, stride, pairs }, shift, [xs, ys, zs]) {
  const isEmpty = (index) => ((pairs[index] >> shift) & 3) === 0;
  const rim = [];
  for (let z = zs[0]; z < zs[1]; z++) {
    for (let y = ys[0]; y < ys[1]; y++) {
      for (let x = xs[0], i = x + y * stride[1] + z * stride[2]; x < xs[1]; x++, i++) {
        if (isEmpty(i)) continue;
        const shown =
          (x > 0 && isEmpty(i - 1)) || (x < shape[0] - 1 && isEmpty(i + 1)) ||
          (y > 0 && isEmpty(i - stride[1])) || (y < shape[1] - 1 && isEmpty(i + stride[1])) ||
          (z > 0 && isEmpty(i - stride[2])) || (z < shape[2] - 1 && isEmpty(i + stride[2]));
        if (shown) rim.push(i);
      }
    }
  }
  return rim;
}
