#!/bin/bash
# A script as its users write them: it calls the tool, then works on the folders it knows.
# usage: script_for_totalspineseg.sh IMAGES OUTPUT PYTHON
set -euo pipefail
images=$1 output=$2 python=$3

totalspineseg "$images" "$output" --iso

count=0
for final in "$output"/step2_output/*.nii.gz; do
    name=$(basename "$final" .nii.gz)
    for folder in step1_raw step1_output step1_canal step1_cord step1_levels step2_raw; do
        test -f "$output/$folder/$name.nii.gz"
    done
    test -f "$output/input/${name}_0000.nii.gz"
    for preview in input step1_raw step1_output step1_output_tags step1_levels_tags \
        step2_input step2_raw step2_output step2_output_tags; do
        test -s "$output/preview/${name}_$preview.jpg"
    done
    "$python" - "$output" "$name" <<'PYTHON'
import sys

import nibabel as nib
import numpy as np

output, name = sys.argv[1:]
load = lambda folder, end="": nib.load(f"{output}/{folder}/{name}{end}.nii.gz")
image, final = load("input", "_0000"), load("step2_output")
labels = np.asarray(final.dataobj).astype(int)
assert image.shape == labels.shape and np.allclose(image.affine, final.affine)
assert np.allclose(final.header.get_zooms(), 1)

# Volume of every vertebra and disc, by the tool's list of values.
names = {32: "T12", 41: "L1", 45: "L5", 50: "sacrum", 91: "T12-L1", 95: "L4-L5", 100: "L5-S"}
volumes = {text: int((labels == value).sum()) for value, text in names.items()}
assert min(volumes.values()) > 1000, volumes

# The canal's area at each level.
canal = np.asarray(load("step1_canal").dataobj)
assert canal.dtype == np.float32 and 0 <= canal.min() and canal.max() <= 1
levels = np.asarray(load("step1_levels").dataobj).astype(int)
areas = {int(levels[tuple(p)]): float(canal[:, :, p[2]].sum()) for p in np.argwhere(levels)}
assert sorted(areas) == [20, 21, 22, 23, 24, 25], areas
assert all(150 < area < 330 for area in areas.values()), areas

# After the first step all vertebrae are one, the discs have their names.
values = lambda folder: set(np.unique(np.asarray(load(folder).dataobj)).tolist())
assert values("step1_output") | {1} == {0, 1, 2, 50, 91, 92, 93, 94, 95, 100}
assert values("step1_raw") | {9} == {0, 1, 4, 5, 6, 8, 9}
assert values("step2_raw") | {11} == {0, 1, 4, 5, 7, 8, 9, 10, 11}
PYTHON
    count=$((count + 1))
done
echo "$count images"
