"""HDR to SDR tone mapping: a 3D lookup table for PQ and HLG video.

PQ is SMPTE ST 2084; HLG is ARIB STD-B67 with the system gamma of a display of 1000 cd/m2, both
as in ITU-R BT.2100. Diffuse white is 203 cd/m2 (BT.2408). Colours are converted from BT.2020 to
BT.709 (BT.2087), highlights are compressed, and values are encoded for a BT.1886 display.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PQ, HLG = 16, 18
TRANSFERS = (PQ, HLG)  # AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67
STEPS = 33
DIFFUSE_WHITE = 203.0
HLG_PEAK, HLG_GAMMA = 1000.0, 1.2
DISPLAY_GAMMA = 2.4
KNEE = 0.6  # share of diffuse white; darker values are unchanged
LUMINANCE_2020 = np.array([0.2627, 0.6780, 0.0593])
TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)

Colours = NDArray[np.float64]


def write_lut(path: Path, transfer: int) -> None:
    """Write the table for `transfer` as a .cube file for ffmpeg's filter lut3d."""
    axis = np.linspace(0, 1, STEPS)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")  # red varies fastest
    colours = to_bt709(np.stack([red, green, blue], axis=-1).reshape(-1, 3), transfer)
    lines = (f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in colours)
    path.write_text(f"LUT_3D_SIZE {STEPS}\n" + "\n".join(lines) + "\n")


def to_bt709(colours: Colours, transfer: int) -> Colours:
    """BT.709 code values of BT.2020 code values; both in [0, 1], shape `(N, 3)`.

    >>> black_and_white = np.array([[0.0, 0, 0], [0.5807, 0.5807, 0.5807]])  # 203 cd/m2 in PQ
    >>> to_bt709(black_and_white, PQ).round(2)
    array([[0.  , 0.  , 0.  ],
           [0.91, 0.91, 0.91]])
    """
    light = _pq_light(colours) if transfer == PQ else _hlg_light(colours)
    linear = np.clip(light / DIFFUSE_WHITE @ TO_709.T, 0, None)
    brightest = np.maximum(linear.max(axis=1, keepdims=True), 1e-9)
    toned = linear * _compress_highlights(brightest) / brightest
    return np.asarray(np.clip(toned, 0, 1) ** (1 / DISPLAY_GAMMA))


def _compress_highlights(light: Colours) -> Colours:
    """Linear up to the knee, then asymptotic to 1."""
    above = np.clip(light - KNEE, 0, None)
    headroom = 1 - KNEE
    return np.minimum(light, KNEE) + headroom * above / (above + headroom)


def _pq_light(values: Colours) -> Colours:
    """cd/m2, at most 10000."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    root = values ** (1 / m2)
    light = 10000 * (np.clip(root - c1, 0, None) / (c2 - c3 * root)) ** (1 / m1)
    return np.asarray(light)


def _hlg_light(values: Colours) -> Colours:
    """cd/m2 on a display of 1000."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)
    luminance = np.maximum(scene @ LUMINANCE_2020, 1e-9)[:, None]
    return np.asarray(HLG_PEAK * luminance ** (HLG_GAMMA - 1) * scene)
