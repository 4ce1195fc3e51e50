"""Stages of spectra: densities of modes, by layer and by wavevector.

Lines are broadened on the frequency grid, or bands are interpolated between the wavevectors
of a mesh. Zero modes and unstable ones are left out.
Source: Wallis (1973), Eqs. 259-264.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.crystal.k_points import mesh_map
from models.modes.matrix_forms import MatrixForm
from models.modes.slab_vectors import coordinate_shares, folded_shares, in_block_order
from models.protocol import Arrays, Cost, FloatArray, Part, Stage, Variable
from models.slab.grid import frequency_grid
from models.slab.parameters import SlabParameters
from models.slab.statics import FiniteStage, has_vectors, missing
from models.slab.thermal import MESH, _mixed, is_unstable, real_elements, stable, with_error
from models.spectra.lines import Shape, broaden, broaden_each
from models.spectra.triangles import integrate, zone_triangles

WIDTH = "grid_width"


def line_shape(p: SlabParameters) -> Shape:
    """Give the shape of lines at one wavevector, where nothing is interpolated."""
    return "lorentzian" if p.line_shape == "lorentzian" else "gaussian"


def interpolated(p: SlabParameters) -> bool:
    """Say whether bands are interpolated between wavevectors; a half space has no bands."""
    return p.line_shape == "linear" and not p.infinite


class SlabSpectralSums(FiniteStage):
    """Broadened spectra of all coordinates, summed over the zone."""

    name = "spectral_sums"
    depends_on = ("layers", "solver", "material", "grid_points", "grid_max", "grid_width",
                  "line_shape", "errors")  # fmt: skip
    inputs = ("k_points", "modes", "form", "half_density")
    cut = "k"
    sums = True
    reads_vectors = True

    def reads(self, p: Any) -> tuple[str, ...]:
        """Read the modes of a slab, or the densities of a half space."""
        return ("k_points", "half_density") if p.infinite else self.inputs[:3]

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Sum one grain."""
        if not p.infinite:
            return super().solve(p, inputs, part)
        weight = inputs["k_points"]["k_weight"][part.indices] * real_elements(part)
        names = ("density", "density_fine") if p.errors else ("density",)
        sums = [np.tensordot(weight, inputs["half_density"][n], 1) for n in names]
        flat = [x.reshape(-1, p.grid_points) for x in sums]
        negative = (inputs["half_density"]["negative"] * real_elements(part)).sum()
        found = dict(zip(("lines", "lines_fine"), flat, strict=False))
        return found | {"negative": np.array(negative)}

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the shares of all modes and the lines on the grid."""
        n, g = 3 * parameters.thickness, parameters.grid_points
        return Cost(
            part.size * 40 * n**2 + 60 * n * g + 2e6,
            part.size * 60 * n**2 + 100 * n * g + 5e7,
        )

    def solve_slab(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Broaden the modes of one grain."""
        form, modes = MatrixForm.from_arrays(inputs["form"]), inputs["modes"]
        grid, width = frequency_grid(p)
        weight = inputs["k_points"]["k_weight"][part.indices] * real_elements(part)
        share = coordinate_shares(form, modes) * weight[:, None, None]
        omega = in_block_order(modes, np.where(stable(modes["frequency"]), modes["frequency"], -1))
        share *= (omega > 0)[:, None]
        found = {"lines": broaden(omega, share, grid, width, line_shape(p))}
        if p.errors:
            found["lines_fine"] = broaden(omega, share, grid, width / 2, line_shape(p))
        return found


class SlabSpectra(Stage):
    """Densities of modes of the slab and of its layers; of a half space of its first layers."""

    name = "spectra"
    depends_on = ("surface", "layers", "solver", "line_shape", "errors", "k_mesh", "k_mesh_shift",
                  "material", "grid_points", "grid_max", "grid_width")  # fmt: skip
    inputs = ("k_points", "form", "modes", "spectral_sums", "k_points_half", "modes_half",
              "spectral_sums_half")  # fmt: skip
    variables = (
        *with_error(Variable("dos", ("grid",), "spectrum",
                             "density of modes per atom, norm 3", "Wallis Eqs. 262-263",
                             standard=False), f"{MESH}, {WIDTH}"),
        *with_error(Variable("layer_dos", ("layer", "direction", "grid"), "spectrum",
                             "density of modes of one component of a layer, norm 1",
                             "Wallis Eqs. 262-263", standard=False), f"{MESH}, {WIDTH}"),
    )  # fmt: skip

    def reads(self, p: Any) -> tuple[str, ...]:
        """Read sums of lines, or all modes to interpolate them; half the mesh for the error."""
        if not has_vectors(p):
            return ()
        linear = interpolated(p)
        names = ("k_points", "form", "modes") if linear else ("k_points", "spectral_sums")
        halves = ("k_points_half", "modes_half") if linear else ("spectral_sums_half",)
        return (*names, *halves) if p.halves else names

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the triangles of a mesh, or a few sums."""
        p = parameters
        n, g = 3 * p.thickness, p.grid_points
        if p.line_shape != "linear":
            return Cost(1e5 + 30 * n * g, 1e6 + 200 * n * g)
        k = p.n_wavevectors
        return Cost(1e6 + k * n * (200 * g / 10 + 3 * n), 5e7 + k * n * (30 * n + 8 * g))

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Turn sums into densities, and compare with half the mesh and half the width."""
        if not has_vectors(p):
            return missing(self, p, part)
        now, fine = self._layers(p, inputs, "")
        error = np.full_like(now, np.nan)
        if p.errors:
            error = np.abs(now - fine)
        if p.halves:
            error = error + np.abs(now - self._layers(p, inputs, "_half")[0])
        total, wrong = (x.sum(axis=(0, 1)) / (p.thickness or np.nan) for x in (now, error))
        found = {"dos": total, "dos_error": wrong, "layer_dos": now, "layer_dos_error": error}
        return found | {"negative": inputs["spectral_sums"]["negative"]} if p.infinite else found

    def unstable(self, result: Arrays) -> NDArray[np.bool_]:
        """Say whether a half space is unstable at some wavevector; of a slab its modes tell."""
        return is_unstable(result)

    def _layers(
        self, p: SlabParameters, inputs: Mapping[str, Arrays], suffix: str
    ) -> tuple[FloatArray, FloatArray]:
        """Give the densities (layers, 3, grid), and those of lines half as wide."""
        here = p.halved if suffix else p
        if interpolated(p):
            flat = _interpolated(here, inputs[f"modes{suffix}"], inputs["form"])
            sums = {"lines": flat, "lines_fine": flat}
        else:
            sums = inputs[f"spectral_sums{suffix}"]
        mixing = here.k_set.mixing
        shape = (p.shown_layers, 3, p.grid_points)
        lines, fine = (
            _mixed(sums[n].reshape(shape).swapaxes(1, 2), mixing).swapaxes(1, 2)
            for n in ("lines", "lines_fine" if p.errors else "lines")
        )
        return lines, fine


def _interpolated(p: SlabParameters, modes: Arrays, form: Arrays) -> FloatArray:
    """Integrate over the triangles of a mesh, (3 * layers, grid)."""
    grid, _ = frequency_grid(p)
    mesh = mesh_map(p.face, p.k_mesh or 1, p.k_mesh_shift)
    triangles = zone_triangles(mesh, p.face.reciprocal)
    share = folded_shares(MatrixForm.from_arrays(form), modes)
    share *= stable(modes["frequency"])[:, None]
    return integrate(modes["frequency"], share, triangles, grid)


class SlabSpectralDensity(Stage):
    """Spectral density at each wavevector."""

    name = "spectral_density"
    depends_on = ("layers", "solver", "material", "grid_points", "grid_max", "grid_width",
                  "line_shape", "errors")  # fmt: skip
    inputs = ("modes", "form", "half_density")
    cut = "k"
    variables = with_error(
        Variable("spectral_density", ("k", "layer", "direction", "grid"), "spectrum",
                 "spectral density of one component of a layer at one wavevector, norm 1",
                 "Wallis Eqs. 262-264", standard=False), WIDTH,
    )  # fmt: skip

    def reads(self, p: Any) -> tuple[str, ...]:
        """Read the modes of a slab, or what a half space has."""
        if not has_vectors(p):
            return ()
        return ("half_density",) if p.infinite else ("modes", "form")

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count lines on the grid times shares."""
        n, g = 3 * parameters.thickness, parameters.grid_points
        return Cost(
            part.size * (0.6 * n**2 * g + 90 * n * g) + 1e6,
            part.size * (60 * n**2 + 60 * n * g) + 40 * n * g + 5e7,
        )

    def solve(self, p: SlabParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Broaden the modes of each wavevector."""
        if not has_vectors(p):
            return missing(self, p, part)
        if p.infinite:
            density = inputs["half_density"]["density"]
            fine = inputs["half_density"]["density_fine"] if p.errors else np.nan
            found = {"spectral_density": density, "spectral_density_error": np.abs(density - fine)}
            return found | {"negative": inputs["half_density"]["negative"]}
        form, modes = MatrixForm.from_arrays(inputs["form"]), inputs["modes"]
        grid, width = frequency_grid(p)
        share, keep = coordinate_shares(form, modes), stable(modes["frequency"])
        omega = in_block_order(modes, np.where(keep, modes["frequency"], -1))
        share *= (omega > 0)[:, None]
        shape = (part.size, p.thickness, 3, p.grid_points)
        density = broaden_each(omega, share, grid, width, line_shape(p)).reshape(shape)
        error = np.full_like(density, np.nan)
        if p.errors:
            fine = broaden_each(omega, share, grid, width / 2, line_shape(p))
            error = np.abs(density - fine.reshape(shape))
        return {"spectral_density": density, "spectral_density_error": error}

    def unstable(self, result: Arrays) -> NDArray[np.bool_]:
        """Say whether a half space is unstable at some wavevector; of a slab its modes tell."""
        negative = is_unstable(result)
        return np.asarray(negative.reshape(len(negative), -1).any(axis=1))
