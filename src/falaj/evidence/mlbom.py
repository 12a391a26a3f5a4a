"""The bill of materials of a model: CycloneDX 1.6 with a model card, as an in-toto predicate.

Source: CycloneDX 1.6 ML-BOM (https://cyclonedx.org/capabilities/mlbom/), in-toto predicate type `cyclonedx`
(https://github.com/in-toto/attestation/blob/main/spec/predicates/cyclonedx.md).
"""

from __future__ import annotations

MLBOM = "https://cyclonedx.org/bom"
