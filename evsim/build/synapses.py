"""Synapses with code: their text, their variables, and what spikes do in them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim import expressions, units
from evsim.build import brian2_compat as compat
from evsim.build.code import DTYPES, Block, SynapseCode, Variable
from evsim.build.faults import Faults
from evsim.build.plan import Pathway, When
from evsim.build.weights import draw, largest_of
from evsim.models.base import declarations
from evsim.projections.base import Geometry
from evsim.spec import schema

RESERVED = frozenset({"i", "j", "N", "N_pre", "N_post", "t", "dt", "t_in_timesteps", "delay"})


def synapse_code(
    network: schema.Network,
    projection: schema.Projection,
    names: Mapping[str, Mapping[str, tuple[float, ...]]],
    constants: Mapping[str, tuple[float, ...]],
) -> SynapseCode | None:
    """Return the code of a projection's synapses, or None where they have only a weight.

    Parameters
    ----------
    names : population -> name -> dimensions.
    constants : protocol constants -> dimensions.
    """
    rule = network.plasticity.get(projection.learn or "")
    if rule is None or not (rule.on_pre or rule.on_post or rule.equations):
        return None
    source = projection.from_.partition(".")[0]
    target, _, receives = projection.to.partition(".")
    weight = "w"
    if "w" in names[source] or "w" in names[target]:
        # Brian2 refuses a name that the neurons have, too.
        weight = f"w_{projection.name}"
    on_pre, on_post = rule.on_pre, rule.on_post
    used = compat.identifiers(on_pre, on_post, rule.equations)
    own = "target" in used
    transmits = own or "w" in written(on_pre, on_post)
    if transmits and not own:
        on_pre = f"target += w\n{on_pre or ''}"
        if projection.symmetric:
            feedback = projection.feedback or receives
            on_post = f"{feedback}_pre += w\n{on_post or ''}"
    meaning = {"target": f"{receives}_post", "w": weight}
    declared = declarations(rule.equations)
    lines = [_rename(rule.equations, meaning)]
    if "w" not in declared:
        lines.append(f"{weight} : {compat.unit_text(names[target][receives])}")
    if "g" in used and "g" not in declared:
        lines.append("g : 1")
    values = {}
    for key, text in rule.parameters.items():
        found = units.parse(text)
        values[key] = (found.value, found.dimensions)
    drives = {
        key: dims
        for key, dims in sorted(constants.items())
        if key in used and key not in declared and key not in values
    }
    return SynapseCode(
        equations="\n".join(lines),
        on_pre=_rename(on_pre, meaning) if on_pre else None,
        on_post=_rename(on_post, meaning) if on_post else None,
        method=rule.method,
        namespace=values,
        drives=drives,
        weight=weight,
        transmits=transmits,
        learns=not own,
    )


def name_weight(block: Block, codes: Mapping[str, SynapseCode]) -> Block:
    """Return a block of synaptic code in which the weight is `w`, whatever Brian2 calls it."""
    weight = codes[block.owner].weight if block.owner in codes else "w"
    if weight == "w":
        return block
    symbols = {
        name: dataclasses.replace(symbol, variable="w") if symbol.variable == weight else symbol
        for name, symbol in block.symbols.items()
    }
    return dataclasses.replace(block, symbols=symbols)


def written(*texts: str | None) -> set[str]:
    """Return the names that code assigns to."""
    return {line.target for text in texts if text for line in expressions.assignments(text)}


def _rename(text: str, meaning: Mapping[str, str]) -> str:
    return re.sub(r"\b(target|w)\b", lambda name: meaning[name[0]], text)


def synapse_variables(
    network: schema.Network,
    projection: schema.Projection,
    synapses: Any,
    code: SynapseCode,
    blocks: list[Block],
    geometry: Geometry,
    faults: Faults,
) -> dict[str, Variable]:
    """Return the variables of a projection's synapses, with their start values."""
    assert projection.learn is not None
    rule = network.plasticity[projection.learn]
    count = geometry.synapse_count
    touched = {
        block.symbols[s.var].variable
        for block in blocks
        if block.owner == synapses.name
        for s in (*block.scalar, *block.vector)
        if s.op != ":=" and block.symbols[s.var].side == ""
    }
    found = {}
    for name, variable in sorted(synapses.variables.items()):
        if not _is_state(synapses, name, variable) or name in code.drives:
            continue
        shape = () if variable.scalar else (count,)
        initial: NDArray[Any] = np.zeros(shape)
        dims, kind = compat.dimensions_of(variable), compat.kind_of(variable)
        name = "w" if name == code.weight else name
        text = rule.init.get(name)
        if text is not None:
            stream = ("init", f"{projection.name} synapses", name)
            largest, whole = largest_of(kind, network.precision), kind == "integer"
            names = {"N": float(count)}
            try:
                initial = draw(
                    text, shape, names, dims, network.seed, *stream, largest=largest, whole=whole
                )
            except ValueError as error:
                faults.add(("plasticity", projection.learn, "init", name), str(error))
        found[name] = Variable(
            name=name,
            kind=kind,
            shared=bool(variable.scalar),
            constant=name not in touched,
            initial=initial.astype(DTYPES[kind]),
            unit=compat.unit_text(dims),
        )
    return found


def _is_state(synapses: Any, name: str, variable: Any) -> bool:
    return (
        getattr(variable, "owner", None) is not None
        and variable.owner.name == synapses.name
        and type(variable).__name__ in ("ArrayVariable", "DynamicArrayVariable")
        and not name.startswith(("_", "N_"))
        and name not in RESERVED
    )


def pathways(
    projection: schema.Projection,
    code: SynapseCode | None,
    blocks: Mapping[str, Block],
    delay: NDArray[np.int64],
    delay_post: NDArray[np.int64],
) -> tuple[Pathway, ...]:
    """Return what a projection's spikes do.

    Parameters
    ----------
    blocks : "pre" and "post" -> captured code, where there is any.
    delay, delay_post : of spikes of the source, and of code that spikes of the target run.
    """
    if projection.sends == "value":
        return ()
    receives = projection.to.partition(".")[2]
    found = []
    when: When = "always"
    if code is None or not code.transmits or code.learns:
        when = "frozen" if code is not None and code.transmits else "always"
        found.append(Pathway("forward", "pre", 0, delay, receives, None, when))
        if projection.symmetric:
            feedback = projection.feedback or receives
            found.append(Pathway("feedback", "post", 0, delay, feedback, None, when))
    when = "learning" if code is not None and code.learns else "always"
    for side, order, own in (("pre", 0, delay), ("post", 1, delay_post)):
        if side in blocks:
            found.append(Pathway(side, side, order, own, "", blocks[side], when))  # type: ignore[arg-type]
    return tuple(found)
