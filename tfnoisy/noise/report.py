"""A noise manifest in a few lines of text, for a person."""

import numpy as np

from tfnoisy.noise import dividemix_files

# A matrix of more classes is told by its diagonal and its largest flips.
_MAX_CLASSES = 12
_FLIPS_SHOWN = 6


def describe(manifest):
    """Returns the noise, its measured rate and its transition matrix.

    Args:
        manifest: a NoiseManifest.
    """
    total = len(manifest.ids)
    lines = [
        f"noise {manifest.spec}, seed {manifest.seed}, on "
        f"{manifest.dataset_name}: {total} labels, "
        f"{manifest.num_classes} classes"
    ]
    rate = manifest.measured_rate()
    if rate is None:
        lines.append("measured rate: unknown, the data have no clean labels")
        return "\n".join(lines)
    lines.append(f"measured rate: {rate:.4f} ({round(rate * total)} wrong)")
    if manifest.source_ids is not None:
        replaced = np.count_nonzero(manifest.source_ids >= 0)
        lines.append(
            f"{replaced} images are replaced by images of "
            f"{manifest.source_name}; they are in no row below"
        )
    if manifest.spec.startswith("dividemix"):
        lines.append(
            dividemix_files.verdict(
                manifest.given_labels, manifest.num_classes, manifest.spec
            )
        )
    matrix = manifest.transition_matrix()
    big = manifest.num_classes > _MAX_CLASSES
    return "\n".join(lines + (_abbreviated if big else _in_full)(matrix))


def _in_full(matrix):
    lines = ["transition matrix, P(given | clean), a row for each clean class:"]
    lines.append("     " + "".join(f"{c:6d}" for c in range(len(matrix))))
    for label, row in enumerate(matrix):
        cells = "".join(f" {p:.3f}" if p else "     ." for p in row)
        lines.append(f"{label:5d}" + cells)
    return lines


def _abbreviated(matrix):
    kept = np.diag(matrix)
    lines = [
        "transition matrix, P(given | clean): diagonal "
        f"mean {kept.mean():.3f}, min {kept.min():.3f} (class "
        f"{kept.argmin()}), max {kept.max():.3f} (class {kept.argmax()})"
    ]
    off = matrix - np.diag(kept)
    largest = np.argsort(-off, axis=None, kind="stable")[:_FLIPS_SHOWN]
    cells = zip(*np.unravel_index(largest, matrix.shape), strict=True)
    flips = [f"{a}->{b} {off[a, b]:.3f}" for a, b in cells if off[a, b] > 0]
    if flips:
        lines.append("largest flips: " + ", ".join(flips))
    return lines
