"""The interface of a network that repaints what no other frame reveals.

Float32, every value 0-1, H and W multiples of ``size_multiple``:

=================== ================== ====================================================================
input               shape              meaning
=================== ================== ====================================================================
``luma``            (1, 1, H, W)       the picture, with what propagation found (the prior) under the mask
``chroma``          (1, 2, H/2, W/2)   the same of U and V
``confidence``      (1, 1, H, W)       of the prior: 1 outside the mask, 0 where nothing was found
``mask``            (1, 1, H, W)       1 where the picture was covered
``previous_luma``   (1, 1, H, W)       the output for the frame before, moved along the motion; 0 where unknown
``previous_chroma`` (1, 2, H/2, W/2)   the same of U and V
``previous_known``  (1, 1, H, W)       1 where the frame before says anything
=================== ================== ====================================================================

Outputs: ``filled_luma`` (1, 1, H, W) and ``filled_chroma`` (1, 2, H/2, W/2); only what lies under the mask is used.
"""

from __future__ import annotations

INPUTS = ("luma", "chroma", "confidence", "mask", "previous_luma", "previous_chroma", "previous_known")
OUTPUTS = ("filled_luma", "filled_chroma")
#: From this confidence on the prior stands as it is; below, the network takes over by degrees.
TRUSTED = 0.5
