"""Bad sweep files: each is refused before work starts, in words that lead to a good one.

Every case is a whole file. Its patterns say what the one message must contain: the place (with
the line, for TOML and YAML), the value, what is allowed, and the remedy or the nearest word.
"""

from __future__ import annotations

import datetime
import math
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sweep
from sweep.problems import InputError

CHAIN = 'modesweep = 1\nname = "t"\nmodel = "chain"\n'  # what follows starts in line 4
SLAB = CHAIN.replace("chain", "slab")

TOML = {
    # --- the whole file ---
    "empty": ("", "modesweep: .*it is missing", "name: .*it is missing", "Known: chain, cluster"),
    "comments only": ("# nothing\n", "modesweep: .*missing", "model: .*missing"),
    "syntax": ("modesweep = = 1\n", "cannot be read as TOML", "line 1", "Mend the line"),
    "open string": (CHAIN + 'where = "atoms > 3\n', "cannot be read as TOML", "line 4"),
    "open list": (CHAIN + "[axes]\natoms = [3, 4\n", "cannot be read as TOML"),
    "key twice": (CHAIN + "[fixed]\natoms = 3\natoms = 4\n", "TOML", "line 6"),
    "table twice": (CHAIN + "[fixed]\n[axes]\n[fixed]\n", "TOML", "line 6", "fixed"),
    "date of no day": (CHAIN + "[fixed]\natoms = 2024-13-41\n", "TOML", "line 5"),
    # --- the top level ---
    "version of the future": (
        CHAIN.replace("= 1", "= 2", 1), "bad.toml:1", "modesweep: must be 1", "it is 2"),
    "version in quotes": (CHAIN.replace("= 1", '= "1"', 1), "modesweep: must be 1", 'it is "1"'),
    "version is true": (CHAIN.replace("= 1", "= true", 1), "modesweep: must be 1", "is true"),
    "unknown key": (
        CHAIN + "axis = 3\n", "bad.toml:4", "axis: unknown key", 'Did you mean "axes"'),
    "unknown table": (
        CHAIN + "[fix]\natoms = 3\n", "bad.toml:4", "fix: unknown key", 'mean "fixed"',
        "Allowed: modesweep, name, model, outputs, where, zip, fixed, axes, run"),
    "key in capitals": (CHAIN + 'Where = "true"\n', "bad.toml:4", "Where: unknown", 'mean "where"'),
    "fixed is a number": (CHAIN + "fixed = 3\n", "bad.toml:4", "fixed: must be a table", "is 3"),
    "axes is a list": (CHAIN + "axes = [3]\n", "bad.toml:4", "axes: must be a table", r"\[3\]"),
    "axes is a list of tables": (CHAIN + "[[axes]]\natoms = [3]\n", "axes: must be a table"),
    "run is text": (CHAIN + 'run = "fast"\n', "bad.toml:4", "run: must be a table", '"fast"'),
    # --- name and model ---
    "name with a slash": (
        CHAIN.replace('"t"', '"a/b"'), "bad.toml:2", "name: must be 1 to 100 letters", '"a/b"'),
    "name that climbs": (CHAIN.replace('"t"', '".."'), "bad.toml:2", r'name: .*it is "\.\."'),
    "name that hides": (CHAIN.replace('"t"', '".t"'), "bad.toml:2", r'name: .*it is "\.t"'),
    "name with a blank": (CHAIN.replace('"t"', '"a b"'), "bad.toml:2", 'name: .*it is "a b"'),
    "name with a letter of no alphabet of ours": (
        CHAIN.replace('"t"', '"xé"'), "bad.toml:2", "name: must be 1 to 100 letters"),
    "name that ends its line": (CHAIN.replace('"t"', r'"t\n"'), "bad.toml:2", r'name: .*"t\\n"'),
    "name too long": (CHAIN.replace('"t"', f'"{"t" * 101}"'), "bad.toml:2", "name: .*1 to 100"),
    "name of nothing": (CHAIN.replace('"t"', '""'), "bad.toml:2", 'name: .*it is ""'),
    "name is a number": (CHAIN.replace('"t"', "7"), "bad.toml:2", "name: .*it is 7"),
    "model with a typo": (
        CHAIN.replace("chain", "chian"), "bad.toml:3", 'must name a model; it is "chian"',
        'Did you mean "chain"', "Known: chain, cluster, impurity, slab"),
    "model is a list": (
        CHAIN.replace('"chain"', '["chain"]'), "bad.toml:3", "must name a model", r'\["chain"\]'),
    "model of nothing": (CHAIN.replace("chain", ""), "bad.toml:3", 'model; it is ""'),
    # --- fixed ---
    "parameter with a typo": (
        SLAB + "[fixed]\nlayer = 3\n", "bad.toml:5", "fixed.layer: slab has no such parameter",
        'Did you mean "layers"', "Its parameters: crystal, surface, layers"),
    "parameter of another model": (
        CHAIN + "[fixed]\nlayers = 3\n", "bad.toml:5", "chain has no such parameter", "atoms"),
    "word with a typo": (
        SLAB + '[fixed]\nadlayer = "oneside"\n', "bad.toml:5", 'fixed.adlayer: "oneside"',
        'Did you mean "one side"', 'Allowed: "none", "one side", "both sides"'),
    "word in other letters": (
        SLAB + '[fixed]\nmaterial = "xe"\n', "bad.toml:5", '"xe" is not allowed', 'mean "Xe"'),
    "number for a word": (
        SLAB + "[fixed]\nsurface = 111\n", "bad.toml:5", "fixed.surface: 111 is not allowed",
        'Did you mean "111"', 'Allowed: "100", "110", "111"'),
    "word for a number": (
        CHAIN + '[fixed]\natoms = "40"\n', "bad.toml:5", 'fixed.atoms: "40" is not allowed',
        "not a whole number", "Allowed: a whole number from 2 to 5000"),
    "truth for a number": (
        CHAIN + "[fixed]\natoms = true\n", "bad.toml:5", "atoms: true", "whole number from 2"),
    "number for a truth": (
        SLAB + "[fixed]\nrelaxed = 1\n", "bad.toml:5", "relaxed: 1 is not allowed",
        "not true or false", "Allowed: true or false"),
    "half an atom": (CHAIN + "[fixed]\natoms = 2.5\n", "bad.toml:5", "atoms: 2.5", "whole number"),
    "too few": (CHAIN + "[fixed]\natoms = 1\n", "bad.toml:5", r"1 is not .*at least 2", "to 5000"),
    "too many": (SLAB + "[fixed]\nlayers = 20001\n", "bad.toml:5", "20001.*at most 20000"),
    "far too many": (
        SLAB + "[fixed]\nsurface_depth = 1000000000000000000000\n", "bad.toml:5", "too large"),
    "zero mass": (
        CHAIN + "[fixed]\nmass_ratio = 0\n", "bad.toml:5", "must be above 0", "a number above 0"),
    "mass is not a number": (
        CHAIN + "[fixed]\nmass_ratio = nan\n", "bad.toml:5", "mass_ratio: NaN is not allowed"),
    "endless mass": (
        CHAIN + "[fixed]\nmass_ratio = inf\n", "bad.toml:5", "Infinity is not allowed", "finite"),
    "a date": (
        CHAIN + "[fixed]\nmass_ratio = 2024-01-01\n", "bad.toml:5", "'2024-01-01' is not allowed"),
    "a time": (CHAIN + "[fixed]\natoms = 07:32:00\n", "bad.toml:5", "'07:32:00'", "whole number"),
    "a table for a number": (
        CHAIN + "[fixed]\natoms = { count = 3 }\n", "bad.toml:5", '{"count": 3} is not allowed'),
    "a list for a number": (
        CHAIN + "[fixed]\natoms = [3, 4]\n", "bad.toml:5", r"fixed.atoms: \[3, 4\] is not allowed"),
    "cold below zero": (
        CHAIN + "[fixed]\ntemperatures = [1, -1]\n", "bad.toml:5", r"temperatures: \[1, -1\]"),
    "falling temperatures": (
        CHAIN + "[fixed]\ntemperatures = [2, 1]\n", "bad.toml:5", "must ascend without repeats"),
    "one temperature without its list": (
        CHAIN + "[fixed]\ntemperatures = 1\n", "bad.toml:5", "not a list", "a list, each a number"),
    "substance with a gap": (
        SLAB + "[fixed]\nmaterial = { epsilon_K = 120, mass_u = 40 }\n", "bad.toml:5",
        "`sigma_angstrom` is missing", "a table with epsilon_K, sigma_angstrom, mass_u"),
    "substance with too much": (
        SLAB
        + "[fixed]\nmaterial = { epsilon_K = 1, sigma_angstrom = 1, mass_u = 1, name = 'x' }\n",
        "bad.toml:5", "unknown key `name`"),
    "substance with a typo inside": (
        SLAB + "[fixed.material]\nepsilon_K = 120\nsigma_angstrom = 'x'\nmass_u = 40\n",
        "bad.toml:4", "`sigma_angstrom`: not a number"),
    "endless substance": (
        SLAB + "[fixed]\nmaterial = { epsilon_K = inf, sigma_angstrom = 1, mass_u = 1 }\n",
        "bad.toml:5", "fixed.material", "finite"),
    "half a wavevector": (
        SLAB + "[fixed]\nk_list = [[0.1]]\n", "bad.toml:5", "k_list", "too short", "a number, a n"),
    "no wavevectors": (SLAB + "[fixed]\nk_list = []\n", "bad.toml:5", r"k_list: \[\]", "too short"),
    "distance of no kind": (
        SLAB + '[fixed]\nnn_distance = "statik"\n', "bad.toml:5", 'mean "static"', "0.9 to 1.3"),
    # --- combinations ---
    "path and mesh": (
        SLAB + '[fixed]\nk_path = "G-M"\nk_mesh = 4\n', "bad.toml:5",
        "`k_path`, `k_mesh` exclude each other", "give just one"),
    "path and swept mesh": (
        SLAB + '[fixed]\nk_path = "G-M"\n[axes]\nk_mesh = [4, 8]\n', "bad.toml:7",
        "exclude each other", "At k_mesh=4"),
    "unknown corner": (
        SLAB + '[fixed]\nk_path = "G-Q"\n', "bad.toml:5", "'Q'", r"fcc \(111\)", "are G, M, K"),
    "corner of another face": (
        SLAB + '[fixed]\nk_path = "G-K"\n[axes]\nsurface = ["111", "100"]\n', "'K'",
        r"fcc \(100\)", "At surface=100"),
    "path of one corner": (SLAB + '[fixed]\nk_path = "G"\n', "bad.toml:5", "`k_path`"),
    "path with a gap": (SLAB + '[fixed]\nk_path = "G--M"\n', "bad.toml:5", "`k_path`"),
    "too few points for the path": (
        SLAB + '[fixed]\nk_points = 2\nk_path = "G-M-K-G"\n', "`k_points` = 2 is too few",
        "4 named points", "Give at least as many"),
    "nothing below the adlayers": (
        SLAB + '[fixed]\nadlayer = "both sides"\nlayers = 2\n', "bad.toml:6",
        '"both sides" with `layers` = 2 leaves no substrate', "Use at least 3 layers"),
    "nothing below some adlayers": (
        SLAB + '[axes]\nadlayer = ["none", "one side"]\nlayers = [1, 5]\n', "leaves no substrate",
        "At layers=1, adlayer=one side"),
    "more masses than layers": (
        SLAB + "[fixed]\nlayers = 2\nlayer_masses = [1, 2, 3]\n", "3 masses for 2 layers"),
    "masses and an adlayer": (
        SLAB + '[fixed]\nadlayer = "one side"\nlayer_masses = [2.0]\n', "bad.toml:5",
        "`layer_masses` and `adlayer` both set", 'Use `layer_masses` with `adlayer` = "none"'),
    "stretched and relaxed": (
        SLAB + "[fixed]\nnn_distance = 1.1\n", "bad.toml:5", "`nn_distance` = 1.1 with `relaxed`",
        "Set `relaxed` = false"),
    "stretched springs": (
        SLAB + '[fixed]\nforces = "springs"\nnn_distance = 1.1\nrelaxed = false\n', "bad.toml:6",
        "no meaning for springs", 'Leave it at "static"'),
    "gas with springs": (
        SLAB + '[fixed]\nforces = "springs"\nmaterial = "Xe"\n', "bad.toml:6",
        'leave it at "reduced"'),
    "gas with some springs": (
        SLAB + '[fixed]\nmaterial = "Ar"\n[axes]\nforces = ["lennard-jones", "springs"]\n',
        'leave it at "reduced"', "At forces=springs"),
    "two kinds of units": (
        SLAB + '[axes]\nmaterial = ["reduced", "Xe"]\n', "bad.toml:5", "axes.material",
        "angstrom and in sigma", "Make two sweeps of it"),
    "two kinds of units beside what is asked for": (
        SLAB + 'outputs = ["surface_weight"]\n[axes]\nmaterial = ["reduced", "Xe"]\n',
        "bad.toml:6", "axes.material", "Make two sweeps of it"),
    "springs and pairs in one sweep": (
        SLAB + 'outputs = ["frequency"]\n[axes]\nforces = ["springs", "lennard-jones"]\n',
        "bad.toml:6", "would be stored in", "Make two sweeps of it"),
    # --- axes ---
    "axis with a typo": (
        CHAIN + "[axes]\nmass_ration = [1]\n", "bad.toml:5", "axes.mass_ration",
        'Did you mean "mass_ratio"'),
    "fixed and swept": (
        CHAIN + "[fixed]\natoms = 3\n[axes]\natoms = [3, 4]\n", "bad.toml:5",
        "is fixed and swept at once", r"Remove it here or under \[axes\]"),
    "empty axis": (CHAIN + "[axes]\natoms = []\n", "bad.toml:5", "is empty", "leave the axis out"),
    "axis of one bare value": (
        CHAIN + "[axes]\natoms = 3\n", "bad.toml:5", "must be a list of values", "it is 3",
        "linspace, geomspace, logspace, arange"),
    "axis of text": (CHAIN + '[axes]\natoms = "3"\n', "bad.toml:5", "must be a list", 'is "3"'),
    "swept temperatures": (
        CHAIN + "[axes]\ntemperatures = [[1], [2]]\n", "bad.toml:5", "names an inner dim",
        r"Give one list under \[fixed\]"),
    "one bad value of many": (
        CHAIN + "[axes]\natoms = [3, 4, 1]\n", "bad.toml:5", r"axes.atoms\[2\]: 1 is not allowed"),
    "many bad values": (
        CHAIN + "[axes]\natoms = [-1, -2, -3, -4, -5, -6, -7]\n", r"atoms\[4\]: -5",
        "atoms: 2 more values are not allowed"),
    "value twice": (
        CHAIN + "[axes]\natoms = [3, 4, 3]\n", "bad.toml:5", r"axes.atoms\[2\]: 3 stands here a "
        r"second time \(first at \[0\]", "Leave one out"),
    "value twice up to rounding": (
        CHAIN + "[axes]\nmass_ratio = [0.3, 0.30000000000000004]\n", "bad.toml:5",
        "0.30000000000000004 stands here a second time", "differ by rounding are one"),
    "value twice in two types": (
        CHAIN + "[axes]\nmass_ratio = [1, 1.0]\n", "bad.toml:5", "a second time"),
    "zero twice": (
        SLAB + '[fixed]\nforces = "springs"\n[axes]\nspring_nnn = [0.0, -0.0]\n', "bad.toml:7",
        "a second time"),
    "word twice": (
        SLAB + '[axes]\nmaterial = ["Xe", "Ar", "Xe"]\n', r'material\[2\]: "Xe" stands .*second'),
    "unknown range": (
        CHAIN + "[axes]\nmass_ratio = { linspce = [1, 2, 3] }\n", "bad.toml:5",
        "axes.mass_ratio.linspce: unknown key", 'mean "linspace"', "or a plain list"),
    "two ranges": (
        CHAIN + "[axes]\nmass_ratio = { linspace = [1, 2, 3], arange = [3] }\n", "bad.toml:5",
        "must be a list of values, or a table with one of"),
    "range with a gap": (
        CHAIN + "[axes]\nmass_ratio = { linspace = [1, 2] }\n", "bad.toml:5",
        r"linspace: \[1, 2\] must be \[first, last, how many\]"),
    "range of half a value": (
        CHAIN + "[axes]\nmass_ratio = { linspace = [1, 2, 2.5] }\n", "a whole number above zero"),
    "range of no value": (
        CHAIN + "[axes]\nmass_ratio = { geomspace = [1, 2, 0] }\n", "a whole number above zero"),
    "range of words": (
        CHAIN + '[axes]\nmass_ratio = { linspace = ["a", "b", 3] }\n', "must be .first, last"),
    "range to infinity": (
        CHAIN + "[axes]\nmass_ratio = { linspace = [1, inf, 3] }\n", "must be .first, last"),
    "range beyond all numbers": (
        CHAIN + "[axes]\nmass_ratio = { logspace = [0, 400, 3] }\n", "leaves the range of numbers"),
    "range as wide as numbers": (
        CHAIN + "[axes]\nmass_ratio = { linspace = [-1e308, 1.7e308, 3] }\n", "leaves the range"),
    "range in a range's table": (
        CHAIN + "[axes]\nmass_ratio = { linspace = { from = 1 } }\n", "must be .first, last"),
    "geometric through zero": (
        CHAIN + "[axes]\nmass_ratio = { geomspace = [0, 2, 3] }\n", "same sign, neither zero"),
    "geometric across zero": (
        CHAIN + "[axes]\nmass_ratio = { geomspace = [-1, 2, 3] }\n", "same sign, neither zero"),
    "steps of zero": (
        CHAIN + "[axes]\natoms = { arange = [3, 9, 0] }\n",
        r"arange: \[3, 9, 0\]", "step not zero"),
    "steps away": (CHAIN + "[axes]\natoms = { arange = [3, 9, -1] }\n", "has no values"),
    "steps into what is not allowed": (
        CHAIN + "[axes]\natoms = { arange = [4] }\n", r"axes.atoms\[0\]: 0 is not", r"\[1\]: 1 is"),
    # --- zip ---
    "zip of a word": (
        CHAIN + 'zip = "atoms"\n', "bad.toml:4", "zip: must be a list of lists", '"atoms"'),
    "zip of words": (CHAIN + 'zip = ["a", "b"]\n', "bad.toml:4", "zip: must be a list of lists"),
    "zip of one": (
        CHAIN + 'zip = [["atoms"]]\n[axes]\natoms = [3, 4]\n', "bad.toml:4", "two or more axes"),
    "zip of different lengths": (
        CHAIN + 'zip = [["atoms", "mass_ratio"]]\n[axes]\natoms = [3, 4]\nmass_ratio = [1]\n',
        "bad.toml:4", r"zip\[0\]: joins axes of different lengths", '"atoms": 2, "mass_ratio": 1'),
    "zip of what is fixed": (
        CHAIN + 'zip = [["atoms", "mass_ratio"]]\n[fixed]\nmass_ratio = 2\n[axes]\natoms = [3]\n',
        "bad.toml:4", '"mass_ratio" is not an axis', "Axes: atoms"),
    "zip with a typo": (
        CHAIN + 'zip = [["atoms", "mass_rati"]]\n[axes]\natoms = [3]\nmass_ratio = [1]\n',
        "bad.toml:4", '"mass_rati" is not an axis', 'Did you mean "mass_ratio"'),
    "zip of an axis with itself": (
        CHAIN + 'zip = [["atoms", "atoms"]]\n[axes]\natoms = [3, 4]\n', "names an axis twice"),
    "zip of an axis with two": (
        CHAIN + 'zip = [["atoms", "mass_ratio"], ["atoms", "end_mass_ratio"]]\n[axes]\n'
        "atoms = [3]\nmass_ratio = [1]\nend_mass_ratio = [1]\n", r"zip\[1\]: names an axis twice"),
    # --- where ---
    "condition on no axis": (
        CHAIN + 'where = "atom > 3"\n[axes]\natoms = [3, 4]\n', "bad.toml:4", "names 'atom'",
        "Did you mean 'atoms'", "Axes: atoms"),
    "condition on two of no axes": (
        CHAIN + 'where = "foo > 3 and bar > 2"\n[axes]\natoms = [3, 4]\n', "'foo'", "'bar'"),
    "condition on what is fixed": (
        CHAIN + 'where = "atoms > 3"\n[fixed]\natoms = 4\n', "names 'atoms'", "not an axis"),
    "condition with an unknown word": (
        SLAB + "where = \"adlayer == 'one sid'\"\n[axes]\nadlayer = ['none', 'one side']\n",
        "bad.toml:4", 'compares adlayer with "one sid"', 'mean "one side"', "Values: "),
    "condition in bad grammar": (
        CHAIN + 'where = "atoms > > 3"\n[axes]\natoms = [3]\n', "bad.toml:4", "column 9"),
    "condition in Python": (
        CHAIN + "where = \"__import__('os')\"\n[axes]\natoms = [3]\n", "no functions"),
    "condition with one =": (
        CHAIN + 'where = "atoms = 3"\n[axes]\natoms = [3]\n', "bad.toml:4", "Write `==`"),
    "condition that is none": (
        CHAIN + 'where = "atoms + 1"\n[axes]\natoms = [3]\n', "where a condition is wanted"),
    "condition that mixes kinds": (
        CHAIN + "where = \"atoms < '3'\"\n[axes]\natoms = [3]\n", "compares a number with text"),
    "condition that is a truth": (CHAIN + "where = true\n", "bad.toml:4", "a string; it is true"),
    "condition in a list": (CHAIN + 'where = ["a > 1"]\n', "bad.toml:4", "where: must be a cond"),
    "condition without end": (
        CHAIN + f'where = "{"(" * 60}atoms > 3{")" * 60}"\n[axes]\natoms = [3]\n', "at most 50"),
    # --- outputs ---
    "output with a typo": (
        SLAB + 'outputs = ["frequencies"]\n', "bad.toml:4", r"outputs\[0\]: slab has no variable",
        'Did you mean "frequency"', "Variables: "),
    "output twice": (
        SLAB + 'outputs = ["frequency", "frequency"]\n', "bad.toml:4", "names a variable twice"),
    "output in no list": (SLAB + 'outputs = "frequency"\n', "outputs: must be a list of variables"),
    "no output": (
        SLAB + "outputs = []\n", "bad.toml:4", r"must be a list of variables; it is \[\]"),
    "output is a number": (SLAB + "outputs = [1]\n", r"must be a list of variables; it is \[1\]"),
    "output of no length": (
        CHAIN + 'outputs = ["mean_square_displacement"]\n', "bad.toml:4", "would hold nothing",
        r"Give temperatures under \[fixed\]"),
    # --- run ---
    "unknown setting": (
        CHAIN + "[run]\nretry = 2\n", "bad.toml:5", "run.retry: unknown key", 'mean "retries"',
        "Allowed: retries, timeout, memory, priority"),
    "fewer than no retries": (
        CHAIN + "[run]\nretries = -1\n", "bad.toml:5", "-1 must be a whole number from 0 to 100"),
    "half a retry": (CHAIN + "[run]\nretries = 1.5\n", "bad.toml:5", "1.5 must be a whole number"),
    "time of no unit": (
        CHAIN + '[run]\ntimeout = "10 minutes"\n', "bad.toml:5", '"10 minutes" must be "30s"',
        "units: s, min, h, d"),
    "no time": (CHAIN + "[run]\ntimeout = 0\n", "bad.toml:5", "0 must be above zero"),
    "endless time": (CHAIN + "[run]\ntimeout = inf\n", "bad.toml:5", "above zero and finite"),
    "time beyond all numbers": (CHAIN + f"[run]\ntimeout = 1{'0' * 400}\n", "run.timeout", "30s"),
    "time with two points": (CHAIN + '[run]\ntimeout = "1.2.3s"\n', "run.timeout", "units: s"),
    "memory of no unit": (
        CHAIN + '[run]\nmemory = "2 gigs"\n', "bad.toml:5", "2GiB", "units: B, kB, MB, GB"),
    "memory is true": (CHAIN + "[run]\nmemory = true\n", "bad.toml:5", "memory: true must be"),
    "priority of a word": (CHAIN + '[run]\npriority = "high"\n', "bad.toml:5", "-1000 to 1000"),
    "retries of a thousand digits": (
        CHAIN + f"[run]\nretries = 0x{'f' * 5000}\n", "run.retries", "very many digits"),
    # --- size ---
    "a thousand million points": (
        CHAIN + "[axes]\n" + "".join(
            f"{n} = {{ linspace = [1, 2, 1000] }}\n"
            for n in ("mass_ratio", "end_mass_ratio", "end_spring_ratio")),
        "axes: span 1e.09 points", "1000 mass_ratio x 1000 end_mass_ratio", "Use fewer values"),
    "an axis of a million million": (
        CHAIN + "[axes]\nmass_ratio = { arange = [1, 2, 1e-12] }\n", "has more than 1e.07 values"),
    "an axis of a hundred million": (
        CHAIN + "[axes]\nmass_ratio = { linspace = [1, 2, 100_000_000] }\n", "has more than 1e.07"),
    "a range of a thousand digits": (
        CHAIN + f"[axes]\nmass_ratio = {{ linspace = [1, 1{'0' * 1000}, 3] }}\n", "must be .first"),
    "deep nesting": (CHAIN + f"x = {'[' * 400}{']' * 400}\n", "deep|unknown key"),
    "deeper nesting": (CHAIN + f"x = {'[' * 50_000}{']' * 50_000}\n", "bad.toml cannot be"),
}  # fmt: skip

YAML_CHAIN = "modesweep: 1\nname: t\nmodel: chain\n"
YAML = {
    "empty": ("", "holds nothing", "not a table of keys"),
    "a list": ("- 1\n- 2\n", "holds a list"),
    "a word": ("chain\n", "holds text"),
    "syntax": ("modesweep: [1\n", "cannot be read as YAML", "line 2"),
    "a tab": ("fixed:\n\tatoms: 3\n", "cannot be read as YAML", "line 2"),
    "key twice": (YAML_CHAIN + "model: slab\n", "'model' stands twice", "line 4"),
    "bad value": (YAML_CHAIN + "fixed:\n  atoms: 1\n", "bad.yaml:5", "fixed.atoms: 1", "at least"),
    "bad item": (
        YAML_CHAIN + "axes:\n  atoms:\n    - 3\n    - 1\n", "bad.yaml:7", r"atoms\[1\]: 1"),
    "word that YAML takes for a truth": (
        YAML_CHAIN + "fixed:\n  atoms: yes\n", "bad.yaml:5", "atoms: true is not allowed"),
    "table of nothing": (YAML_CHAIN + "axes:\n", "bad.yaml:4", "axes: must be a table", "null"),
    "parameter of nothing": (
        YAML_CHAIN.replace("chain", "slab") + "fixed:\n  k_path:\n", "bad.yaml:5",
        "fixed.k_path: is null", "Leave the key out"),
    "condition of nothing": (YAML_CHAIN + "where:\n", "bad.yaml:4", "where: is null"),
    "a day": (YAML_CHAIN + "fixed:\n  atoms: 2024-01-01\n", "bad.yaml:5", "'2024-01-01' is not"),
    "an object": (YAML_CHAIN + "fixed: !!python/object:os.system {}\n", "read as YAML", "line 4"),
    "laughs": (
        "a: &a [x]\n" + "".join(
            f"{n}: &{n} [{', '.join(['*' + m] * 9)}]\n"
            for m, n in zip("abcdefgh", "bcdefghi", strict=True)),
        "cannot be read as YAML", "line 2 has an alias", "Write the value out"),
    "two documents": (YAML_CHAIN + "---\n" + YAML_CHAIN, "cannot be read as YAML"),
    "number as a key": (YAML_CHAIN + "1: 2\n", "bad.yaml:4", "1: unknown key"),
}  # fmt: skip

JSON = {
    "empty": ("", "cannot be read as JSON", "line 1"),
    "null": ("null", "holds nothing", "not a table of keys"),
    "a list": ("[]", "holds a list"),
    "syntax": ('{"modesweep": 1,}', "cannot be read as JSON", "line 1 column"),
    "key twice": ('{"modesweep": 1, "name": "a", "name": "b"}', "the key 'name' stands twice"),
    "not a number": (
        '{"modesweep": 1, "name": "t", "model": "chain", "fixed": {"mass_ratio": NaN}}',
        "fixed.mass_ratio: NaN is not allowed", "finite"),
    "null in an axis": (
        '{"modesweep": 1, "name": "t", "model": "slab", "axes": {"k_path": ["G-M", null]}}',
        r"axes.k_path\[1\]: is null"),
    "half a character": (
        '{"modesweep": 1, "name": "t", "model": "slab", "fixed": {"k_path": "\\ud800"}}',
        "fixed.k_path", "half a character"),
    "deep": ("[" * 100_000, "cannot be read as JSON|too deeply"),
}  # fmt: skip


def nested(depth: int) -> list[Any]:
    value: list[Any] = [1]
    for _ in range(depth):
        value = [value]
    return value


def chain(**tables: Any) -> dict[str, Any]:
    return {"modesweep": 1, "name": "t", "model": "chain", **tables}


DICTS = {
    "no keys": ({}, "modesweep: .*missing"),
    "numpy values": (chain(fixed={"atoms": np.int64(1)}), "atoms: 1 is not allowed"),
    "numpy axis": (chain(axes={"atoms": np.array([3, 1])}), r"atoms\[1\]: 1 is not allowed"),
    "an object": (chain(fixed={"atoms": object()}), "atoms: <object", "whole number"),
    "a function": (chain(axes=print), "axes: must be a table"),
    "complex mass": (chain(fixed={"mass_ratio": 1j}), "1j", "not a number"),
    "bytes": (chain(name=b"t"), "name: must be 1 to 100 letters"),
    "a moment": (chain(run={"timeout": datetime.timedelta(1)}), "run.timeout", "30s"),
    "very deep": (chain(fixed={"atoms": nested(5000)}), "nested too deeply"),
    "huge whole number": (chain(fixed={"atoms": 1 << 20_000}), "fixed.atoms", "too large"),
    "huge mass": (chain(fixed={"mass_ratio": 10**400}), "fixed.mass_ratio", "too large"),
    "not a number in a list": (
        chain(fixed={"temperatures": [math.nan]}), "temperatures", "finite|at least"),
    "key that is no text": (chain(fixed={3: 3}), "fixed.3: chain has no such parameter"),
}  # fmt: skip

FILES = [
    pytest.param(suffix, text, patterns, id=f"{suffix}-{name}")
    for suffix, table in {"toml": TOML, "yaml": YAML, "json": JSON}.items()
    for name, (text, *patterns) in table.items()
]


@pytest.fixture
def untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in, and to find as it was."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert list(folder.iterdir()) == []


def refusal(source: Path | Mapping[str, Any]) -> str:
    """Read a bad file; give the message, which is one plain text with a head and a problem."""
    with pytest.raises(InputError, match=r"\w") as caught:
        sweep.read(source)
    error = caught.value
    assert error.exit_code == 2
    assert pickle.loads(pickle.dumps(error)).args == error.args
    message = str(error)
    assert not re.search(r"type=|pydantic|Traceback|Error\b|validation|NoneType", message)
    return message


@pytest.mark.parametrize(("suffix", "text", "patterns"), FILES)
def test_a_bad_file_is_refused_in_words(
    suffix: str, text: str, patterns: list[str], untouched: Path, tmp_path: Path
) -> None:
    file = tmp_path / f"bad.{suffix}"
    file.write_text(text, encoding="utf-8")

    message = refusal(file)

    assert message.startswith(file.name)
    for pattern in patterns:
        assert re.search(pattern, message), f"{pattern!r} is not in\n{message}"


@pytest.mark.parametrize("name", DICTS)
def test_a_bad_dict_is_refused_in_words(name: str, untouched: Path) -> None:
    document, *patterns = DICTS[name]

    message = refusal(document)

    for pattern in patterns:
        assert re.search(pattern, message), f"{pattern!r} is not in\n{message}"


def test_there_are_more_than_a_hundred_bad_files() -> None:
    assert len(FILES) + len(DICTS) > 100


def test_all_faults_of_a_file_are_told_at_once(untouched: Path, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(
        'modesweep = 2\nname = "a/b"\nmodel = "slab"\noutputs = ["frequncy"]\n'
        'where = "layer > 3"\nzip = [["layers", "depth"]]\nextra = 1\n'
        '[fixed]\nlayers = 5\ncutof = 3.0\nadlayer = "top"\n'
        "[axes]\nlayers = [3, 3, -1]\nsurface = []\nmass = [1]\n"
        '[run]\nretries = -1\ntimeout = "soon"\nspeed = 9\n'
    )

    lines = refusal(file).splitlines()

    assert lines[0] == "bad.toml cannot be run:"
    places = [re.match(r"  bad\.toml:(\d+)  ([\w.\[\]]+): ", line) for line in lines[1:]]
    assert all(places), lines
    found = {(int(m[1]), m[2]) for m in places if m}
    assert found == {
        (1, "modesweep"), (2, "name"), (4, "outputs[0]"), (5, "where"), (6, "zip[0]"),
        (7, "extra"), (9, "fixed.layers"), (10, "fixed.cutof"), (11, "fixed.adlayer"),
        (13, "axes.layers[2]"), (14, "axes.surface"), (15, "axes.mass"), (17, "run.retries"),
        (18, "run.timeout"), (19, "run.speed"),
    }  # fmt: skip


def test_every_broken_rule_is_told_at_once() -> None:
    message = refusal(
        {"modesweep": 1, "name": "t", "model": "slab",
         "fixed": {"k_mesh": 4, "k_path": "G-M", "adlayer": "both sides", "layers": 2,
                   "forces": "springs", "material": "Xe"}}
    )  # fmt: skip

    assert re.search("exclude each other", message)
    assert re.search("leaves no substrate", message)
    assert re.search('leave it at "reduced"', message)


# ---------------------------------------------------------------------------- no file at all


def test_a_missing_file_is_named(untouched: Path, tmp_path: Path) -> None:
    assert re.search(r"There is no sweep file .*none\.toml", refusal(tmp_path / "none.toml"))


def test_a_folder_is_no_sweep_file(untouched: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder.toml"
    folder.mkdir()

    assert re.search("folder.toml cannot be read: Is a directory", refusal(folder))


@pytest.mark.parametrize("name", ["bad.txt", "bad", "bad.TOML", "bad.toml.bak"])
def test_a_wrong_ending_is_named(name: str, untouched: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text(CHAIN)

    assert re.search(r"ending .* does not say what it is.*Rename it", refusal(tmp_path / name))


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
@pytest.mark.parametrize("suffix", ["toml", "yaml", "json"])
def test_another_encoding_is_named(
    suffix: str, encoding: str, untouched: Path, tmp_path: Path
) -> None:
    file = tmp_path / f"bad.{suffix}"
    file.write_bytes(f'# gr\xf6\xdfe\n{CHAIN}where = "\xe4"\n'.encode(encoding))

    assert re.search("not text in UTF-8. Save it in that encoding", refusal(file))


def test_a_path_that_cannot_be_one_is_named(untouched: Path) -> None:
    assert re.search("is no path of a file", refusal(Path("bad\0.toml")))


def test_a_file_that_is_far_too_long_is_not_read(
    untouched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bad.toml"
    with file.open("wb") as out:
        out.truncate(65 * 2**20)
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("was read"))

    assert re.search("larger than 64 MiB", refusal(file))


def test_what_a_terminal_would_obey_is_shown_as_an_escape() -> None:
    lines = refusal(chain(**{"a\nb\x1b[2J": 1, "outputs": ["c\rd"]})).splitlines()

    assert len(lines) == 3
    assert r"a\nb\x1b[2J: unknown key" in lines[1]
    assert r'no variable "c\rd"' in lines[2]
